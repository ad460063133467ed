from __future__ import annotations

import pytest

from kojid.sources.scm import is_scm_url


@pytest.mark.parametrize(
    "url", ["git://host/repo#HEAD", "git+https://host/repo?sub#abc", "svn+ssh://host/x", "cvs://h/x"]
)
def test_urls_of_version_control_are_told(url: str) -> None:
    assert is_scm_url(url)


@pytest.mark.parametrize("path", ["cli-build/1795376200.8.e2e/hello-1.0-200.src.rpm", "http://host/x.src.rpm", ""])
def test_uploaded_packages_are_told(path: str) -> None:
    assert not is_scm_url(path)
