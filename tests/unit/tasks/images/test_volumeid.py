"""Volume ids: 32 characters."""

from __future__ import annotations

import koji
import pytest

from kojid.tasks.images.volumeid import shorten, volume_id


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("Fedora-Workstation-39-1", "Fedora-WS-39-1"),
        ("Fedora-WorkstationOstree-Rawhide-1", "Fedora-WS-rawh-1"),
        ("x" * 40, "x" * 32),
    ],
)
def test_long_words_are_put_short(text: str, short: str) -> None:
    assert shorten(text) == short


def test_the_one_that_is_asked_for_is_taken_or_refused() -> None:
    assert volume_id({"volid": "MINE"}, ("a", "1", "2"), koji.LiveCDError) == "MINE"
    assert volume_id({}, ("a", "1", "2"), koji.LiveCDError) == "a-1-2"
    with pytest.raises(koji.LiveCDError, match="longer than 32 characters"):
        volume_id({"volid": "x" * 33}, ("a", "1", "2"), koji.LiveCDError)
