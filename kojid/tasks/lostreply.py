"""Calls that must not be done twice and whose reply got lost: the hub is asked what became of them.

Contract 11, item 16: a build that is complete on the hub is not failed because the answer did not arrive.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Dict

import koji
import requests

if TYPE_CHECKING:
    from kojid.tasks.build import BuiltFiles

logger = logging.getLogger("koji.build.BaseTaskHandler")

# The call may or may not have been done. OSError: what sockets raise, and most of requests' errors too.
LOST_REPLY = (koji.RetryError, requests.exceptions.RequestException, OSError)


def init_build(session: Any, task_id: int, data: Dict[str, Any]) -> int:
    """Have the hub start a build (`host.initBuild`).

    Args:
        session: the hub.
        task_id: the build task.
        data: what `host.initBuild` takes.

    Returns:
        the build's id.
    """
    try:
        return int(session.host.initBuild(data))
    except LOST_REPLY:
        for build in session.listBuilds(taskID=task_id):
            if build["state"] == koji.BUILD_STATES["BUILDING"]:
                logger.warning("The reply to initBuild was lost; the hub has made build %s", build["build_id"])
                return int(build["build_id"])
        raise


def complete_build(session: Any, task_id: int, build_id: int, built: BuiltFiles) -> None:
    """Have the hub import a build (`host.completeBuild`).

    The hub imports all or nothing: if the build is complete afterwards and this task's, then the import was done,
    whatever a repeated call complained about.
    """
    try:
        session.host.completeBuild(task_id, build_id, built.srpm, built.rpms, built.brmap, logs=built.logs)
    except Exception:
        if not _is_complete(session, task_id, build_id):
            raise
        logger.warning("The reply to completeBuild was lost, but build %s is complete", build_id)


def _is_complete(session: Any, task_id: int, build_id: int) -> bool:
    try:
        build = session.getBuild(build_id)
    except Exception:
        logger.exception("What became of build %s can't be found out", build_id)
        return False
    return bool(build) and build["state"] == koji.BUILD_STATES["COMPLETE"] and build["task_id"] == task_id
