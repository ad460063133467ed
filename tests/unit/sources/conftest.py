from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Dict, Iterator

import pytest

from tests.support.faketask import make_packages
from tests.support.scmplace import Place


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Path]:
    return make_packages(tmp_path_factory.mktemp("packages"), source_only=False)


@pytest.fixture
def place() -> Iterator[Place]:
    # pytest's own directories are closed to other users
    directory = Path(tempfile.mkdtemp(prefix="kojid-scm-test-"))
    directory.chmod(0o755)
    try:
        yield Place(directory)
    finally:
        shutil.rmtree(directory)
