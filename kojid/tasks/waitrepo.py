"""`waitrepo`: wait until a tag has a repository that is new enough or holds certain builds (contract 6.10)."""

# Attribute names are koji's.
# ruff: noqa: N815

from __future__ import annotations

import time
from typing import Any, ClassVar, Dict, List, Optional, Union

import koji
import koji.util

from kojid.tasks.base import BaseTaskHandler

_FIRST_PAUSE = 2.0  # seconds
_GROWTH = 1.5


class WaitrepoTask(BaseTaskHandler):
    """Wait for a repository."""

    Methods: ClassVar[List[str]] = ["waitrepo"]
    _taskWeight = 0.2

    PAUSE = 60  # longest pause between two questions, seconds
    TIMEOUT = 120  # minutes until the task fails

    def handler(
        self,
        tag: Union[int, str],
        newer_than: Union[str, float, None] = None,
        nvrs: Optional[List[str]] = None,
        min_event: Optional[int] = None,
    ) -> Dict[str, Any]:
        """Wait.

        Args:
            tag: id or name.
            newer_than: "now", or a time in seconds since 1970: the repository must know all changes up to then. What
                callers of before 1.35 say instead of `min_event`.
            nvrs: builds that it must hold.
            min_event: the oldest event that will do.

        Returns:
            the repository.

        Raises:
            koji.GenericError: it did not come, or both newer_than and min_event are given.
        """
        if newer_than is not None and min_event is not None:
            raise koji.GenericError("newer_than and min_event args conflict")
        oldest = min_event if newer_than is None else self._event_of(tag, newer_than)
        watcher = _Watcher(self.session, tag, nvrs=nvrs, min_event=oldest, logger=self.logger)
        watcher.PAUSE, watcher.TIMEOUT = self.PAUSE, self.TIMEOUT
        repo: Dict[str, Any] = watcher.waitrepo()
        return repo

    def _event_of(self, tag: Union[int, str], newer_than: Union[str, float]) -> Union[int, str]:
        if isinstance(newer_than, str) and newer_than.lower() == "now":
            return "last"
        if isinstance(newer_than, bool) or not isinstance(newer_than, (int, float)):
            raise koji.GenericError(f"Invalid value for newer_than: {newer_than}")
        base = self.session.getLastEvent(before=newer_than, strict=False)
        # the event's number, not the event: what the hub takes (contract 11, item 29)
        changed = self.session.tagFirstChangeEvent(tag, after=base["id"] if base else None)
        return changed or "last"


class _Watcher(koji.util.RepoWatcher):
    """The library's watcher, which asks often at first: repositories are often there soon."""

    _next_pause = _FIRST_PAUSE

    def pause(self) -> None:
        """Sleep until the next question."""
        seconds = min(self._next_pause, float(self.PAUSE))
        self.logger.debug("Pausing for %s s", seconds)
        time.sleep(seconds)
        self._next_pause = seconds * _GROWTH
