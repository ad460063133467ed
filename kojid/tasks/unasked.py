"""Repositories on hubs up to 1.34: nobody can ask for one, a separate service makes them when tags have changed.

All that a builder can do is to look again and again (contract 5.6 and 6.10, the parts on 1.34 and older).
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Union

import koji
import koji.util

from kojid.tasks.wakeup import nap

Repo = Dict[str, Any]
logger = logging.getLogger("koji.build.BaseTaskHandler")


@dataclass(frozen=True)
class Wish:
    """What a repository has to be like.

    Args:
        newer_than: made from an event after this time, seconds since 1970.
        nvrs: builds that it must hold.
        min_event: made from this event or a later one.
    """

    newer_than: Optional[float] = None
    nvrs: List[str] = field(default_factory=list)
    min_event: Optional[int] = None

    def is_met(self, session: Any, tag_id: int, repo: Repo) -> bool:
        """Whether a repository of the tag will do."""
        if self.newer_than is not None and repo["create_ts"] <= self.newer_than:
            return False
        if self.min_event is not None and repo["create_event"] < self.min_event:
            return False
        builds = [koji.parse_NVR(nvr) for nvr in self.nvrs]
        return bool(koji.util.checkForBuilds(session, tag_id, builds, repo["create_event"]))


def current(session: Any, tag: Union[int, str], nvrs: Optional[List[str]]) -> Optional[Repo]:
    """The latest repository of a tag if it holds these builds; None when one has to be waited for.

    Raises:
        koji.BuildError: there is none and never will be: no target builds from this tag.
        koji.GenericError: no such tag.
    """
    info = session.getTag(tag, strict=True)
    repo: Optional[Repo] = session.getRepo(info["id"])
    if not repo:
        _require_target(session, info)
        return None
    return repo if Wish(nvrs=nvrs or []).is_met(session, info["id"], repo) else None


def _require_target(session: Any, tag: Dict[str, Any]) -> None:
    if not session.getBuildTargets(buildTagID=tag["id"]):
        raise koji.BuildError(f"no repo (and no target) for tag {tag['name']}")


@dataclass
class Wait:
    """Waiting for a repository of a tag.

    Args:
        session: the task's hub session.
        tag: id or name.
        wish: what it has to be like.
        first_pause: seconds between the first two looks; later ones are further apart.
        longest_pause: seconds at most.
        timeout: minutes until it is given up.
    """

    session: Any
    tag: Union[int, str]
    wish: Wish
    first_pause: float
    longest_pause: float
    timeout: float
    growth: float = 1.5

    def run(self) -> Repo:
        """The first repository that will do.

        Raises:
            koji.GenericError: no such tag, no target that builds from it, or the time is up.
        """
        start = time.monotonic()
        info = self.session.getTag(self.tag, strict=True)
        _require_target(self.session, info)
        pause, seen = self.first_pause, None
        while True:
            repo: Optional[Repo] = self.session.getRepo(info["id"])
            if repo and repo["id"] != seen:
                if self.wish.is_met(self.session, info["id"], repo):
                    return repo
                seen = repo["id"]
            waited = time.monotonic() - start
            if waited > self.timeout * 60:
                raise koji.GenericError(f"no repo of {info['name']} came in {self.timeout:g} minutes: {self.wish}")
            logger.debug("No repo of %s yet, looking again in %.1f s", info["name"], pause)
            nap(pause)
            pause = min(pause * self.growth, self.longest_pause)
            self.session.getTag(info["id"], strict=True)  # else a tag that is deleted would be waited for
