"""`tagBuild`: a finished build is tagged, and whoever wants to know is told (contract 6.7)."""

# Attribute names are koji's.
# ruff: noqa: N815

from __future__ import annotations

from typing import Any, ClassVar, List, Optional

from kojid.tasks.base import BaseTaskHandler


class TagBuildTask(BaseTaskHandler):
    """Tag a build."""

    Methods: ClassVar[List[str]] = ["tagBuild"]
    _taskWeight = 1.0

    def handler(
        self,
        tag_id: Any,
        build_id: Any,
        force: bool = False,
        fromtag: Any = None,
        ignore_success: bool = False,
    ) -> None:
        """Tag, as the task's owner.

        Args:
            tag_id: where to.
            build_id: the build.
            force: even if the package is blocked or the tag locked.
            fromtag: the tag that the build leaves, if it is moved.
            ignore_success: send no notification when it works.
        """
        owner = self.session.getTaskInfo(self.id)["owner"]
        about = (tag_id, fromtag, build_id, owner, ignore_success)
        try:
            self.session.getBuild(build_id, strict=True)
            self.session.getTag(tag_id, strict=True)
            self.session.host.tagBuild(self.id, tag_id, build_id, force=force, fromtag=fromtag)
            self.session.host.tagNotification(True, *about)
        except Exception as error:
            self._tell_of_failure(about, error)
            raise

    def _tell_of_failure(self, about: Any, error: Optional[Exception]) -> None:
        try:
            self.session.host.tagNotification(False, *about, f"{type(error).__name__}: {error}")
        except Exception:
            # what went wrong before matters more
            self.logger.exception("No notification could be sent of the tagging that failed")
