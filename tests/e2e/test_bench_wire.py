"""What transfers cost, measured small by the suite: requests and bytes, never times."""

from __future__ import annotations

from pathlib import Path
from typing import Dict

import pytest

from bench import figures
from bench.harness import Bench, Result, chosen, take

# The library's fastUpload leaves its files to be closed by the garbage collector.
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture
def results(tmp_path: Path, request: pytest.FixtureRequest) -> Dict[str, Result]:
    """The figures of a module."""
    figures.load()
    tmp_path.chmod(0o755)
    found: Dict[str, Result] = {}
    for number, measurement in enumerate(chosen([request.param])):
        directory = tmp_path / str(number)
        directory.mkdir()
        found.update(take(measurement, Bench(directory, small=True)))
    return found


@pytest.mark.parametrize("results", ["uploads"], indirect=True)
def test_uploads_take_few_requests(results: Dict[str, Result]) -> None:
    small, big = results["upload-small-requests"], results["upload-big-requests"]
    assert (small.ours, small.peer) == ([1], [80])
    assert big.peer == [25]
    assert big.ours[0] <= 6


@pytest.mark.parametrize("results", ["logs-bytes-5ms"], indirect=True)
def test_logs_are_sent_once(results: Dict[str, Result]) -> None:
    sent = results["logs-bytes-5ms"]
    assert sent.ours[0] < 1.5 * 4 * 1024 * 1024, "each byte once, and a third more for those that go as base64"
    assert sent.peer[0] > 2.4 * 4 * 1024 * 1024
    requests = results["logs-requests-5ms"]
    assert requests.ours[0] < requests.peer[0] / 2
