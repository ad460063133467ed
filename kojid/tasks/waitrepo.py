"""`waitrepo`: wait until a tag has a repository that is new enough or holds certain builds (contract 6.10)."""

# Attribute names are koji's.
# ruff: noqa: N815

from __future__ import annotations

import time
from typing import Any, ClassVar, Dict, List, Optional, Union

import koji
import koji.util

from kojid.hub import capabilities
from kojid.tasks import unasked
from kojid.tasks.base import BaseTaskHandler
from kojid.tasks.wakeup import nap

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
        if not capabilities.of(self.session).makes_repos_on_request:
            return self._look_for(tag, unasked.Wish(_time_of(newer_than), nvrs or [], min_event))
        oldest = min_event if newer_than is None else self._event_of(tag, newer_than)
        watcher = _Watcher(self.session, tag, nvrs=nvrs, min_event=oldest, logger=self.logger)
        watcher.PAUSE, watcher.TIMEOUT = self.PAUSE, self.TIMEOUT
        repo: Dict[str, Any] = watcher.waitrepo()
        return repo

    def _look_for(self, tag: Union[int, str], wish: unasked.Wish) -> Dict[str, Any]:
        return unasked.Wait(self.session, tag, wish, _FIRST_PAUSE, float(self.PAUSE), self.TIMEOUT, _GROWTH).run()

    def _event_of(self, tag: Union[int, str], newer_than: Union[str, float]) -> Union[int, str]:
        if _is_now(newer_than):
            return "last"
        newer_than = _checked(newer_than)
        base = self.session.getLastEvent(before=newer_than, strict=False)
        # the event's number, not the event: what the hub takes (contract 11, item 29)
        changed = self.session.tagFirstChangeEvent(tag, after=base["id"] if base else None)
        return changed or "last"


def _is_now(newer_than: Any) -> bool:
    return isinstance(newer_than, str) and newer_than.lower() == "now"


def _checked(newer_than: Any) -> float:
    if isinstance(newer_than, bool) or not isinstance(newer_than, (int, float)):
        raise koji.GenericError(f"Invalid value for newer_than: {newer_than}")
    return newer_than


def _time_of(newer_than: Any) -> Optional[float]:
    """Seconds since 1970; None for no wish."""
    if newer_than is None:
        return None
    return time.time() if _is_now(newer_than) else _checked(newer_than)


class _Watcher(koji.util.RepoWatcher):
    """The library's watcher, which asks often at first: repositories are often there soon."""

    _next_pause = _FIRST_PAUSE

    def pause(self) -> None:
        """Sleep until the next question."""
        seconds = min(self._next_pause, float(self.PAUSE))
        self.logger.debug("Pausing for %s s", seconds)
        nap(seconds)
        self._next_pause = seconds * _GROWTH
