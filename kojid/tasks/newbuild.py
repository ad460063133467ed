"""What tasks that make a build on the hub have in common: beginning it, failing it, tagging it.

Contract 6.1, steps 12, 16 and 17. All of it can run a second time: a build that an earlier run of the task has begun
or completed is found again.
"""

# Method names are koji's: subclasses of plugins know them.
# ruff: noqa: N802

from __future__ import annotations

import contextlib
from typing import Any, Dict, Iterator, List, Optional, Tuple

import koji
import koji.tasks

from kojid.errors import HostFault
from kojid.tasks.base import BaseTaskHandler

# These leave the build as it is: the task goes on elsewhere or later.
_NOT_A_FAILURE = (koji.tasks.ServerExit, koji.tasks.ServerRestart, koji.tasks.RefuseTask, HostFault)
_USABLE = ("BUILDING", "COMPLETE")


class NewBuild(BaseTaskHandler):
    """A task that makes a build."""

    def begin_build(self, data: Dict[str, Any]) -> Tuple[int, bool]:
        """Begin the build, or find the one that an earlier run has begun or completed.

        Args:
            data: as `host.initBuild` takes it.

        Returns:
            the build's id, and whether it is complete already.

        Raises:
            koji.GenericError: there is such a build of another task.
        """
        if data.get("draft"):
            # the hub would make another draft each time
            earlier = self.earlier_build(data)
            if earlier is not None:
                return earlier
        try:
            return int(self.session.host.initBuild(data)), False
        except koji.GenericError:
            finished = self._finished_before()
            if finished is None:
                raise
            return finished, True

    def earlier_build(self, data: Dict[str, Any]) -> Optional[Tuple[int, bool]]:
        """The build of the same name, version and release that an earlier run of this task has begun.

        Args:
            data: as `begin_build` takes it; with None as the release any counts.

        Returns:
            its id, and whether it is complete already; None when there is none.
        """
        for row in self.session.listBuilds(taskID=self.id):
            state = koji.BUILD_STATES[row["state"]]
            same = (row["name"], row["version"]) == (data["name"], data["version"])
            wanted = data["release"]
            released = wanted is None or koji.parse_target_release(row["release"]) == wanted
            if same and released and state in _USABLE:
                self.logger.warning("An earlier run of this task has made %s, going on with that", row["nvr"])
                return int(row["build_id"]), state == "COMPLETE"
        return None

    def _finished_before(self) -> Optional[int]:
        """The build that an earlier run of this task has completed, if it came so far and was cut off then."""
        complete = koji.BUILD_STATES["COMPLETE"]
        ids: List[int] = [row["build_id"] for row in self.session.listBuilds(taskID=self.id, state=complete)]
        if not ids:
            return None
        self.logger.warning("An earlier run of this task has completed build %s, going on from there", ids[0])
        return ids[0]

    @contextlib.contextmanager
    def failing_with(self, build_id: Optional[int]) -> Iterator[None]:
        """Mark the build as failed if the block fails for good; None stands for no build."""
        try:
            yield
        except _NOT_A_FAILURE:
            raise
        except Exception:
            if build_id is not None:
                self._fail_build(build_id)
            raise

    def _fail_build(self, build_id: int) -> None:
        try:
            self.session.host.failBuild(self.id, build_id)
        except Exception:
            # what went wrong before matters more
            self.logger.exception("Build %s could not be marked as failed", build_id)

    def tagBuild(self, build_id: int, dest_tag: int) -> None:
        """Tag the finished build through a subtask."""
        task_id = self.session.host.subtask(
            method="tagBuild",
            arglist=[dest_tag, build_id, False, None, True],
            label="tag",
            parent=self.id,
            arch="noarch",
        )
        self.wait(task_id)


def require_listed(config: Optional[Dict[str, Any]], name: str, tag_name: str) -> None:
    """Make sure that a tag takes a package.

    Args:
        config: the package's settings in the tag, as `getPackageConfig` gives them.
        name: the package's.
        tag_name: the tag's.

    Raises:
        koji.BuildError: it does not.
    """
    if config is None:
        raise koji.BuildError(f"package {name} not in list for tag {tag_name}")
    if config["blocked"]:
        raise koji.BuildError(f"package {name} is blocked for tag {tag_name}")
