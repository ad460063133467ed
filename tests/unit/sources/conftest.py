from __future__ import annotations

from pathlib import Path
from typing import Dict

import pytest

from tests.support.faketask import make_packages


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Path]:
    return make_packages(tmp_path_factory.mktemp("packages"), source_only=False)
