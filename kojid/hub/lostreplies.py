"""What to do when the hub refuses to repeat a call that it has done: its reply was lost on the way (contract 3.4).

A hub that enforces call numbers stores a call's number in the same transaction as what the call has changed. RetryError
therefore says more than "twice": the call went through, only its reply is missing (contract 11.1, items 3 and 16).
"""

from __future__ import annotations

from typing import Any, Mapping, Optional

# Nobody needs their reply: what they were to do is done.
_DONE = frozenset(
    {
        "cancelTaskChildren",
        "host.closeTask",
        "host.completeBuild",
        "host.failBuild",
        "host.failTask",
        "host.freeTasks",
        "host.moveBuildToScratch",
        "host.refuseTask",
        "host.repoDone",
        "host.setBuildRootList",
        "host.setBuildRootState",
        "host.setTaskWeight",
        "host.tagBuild",
        "host.tagNotification",
        "host.taskSetWait",
        "host.taskUnwait",
        "host.updateBuildRootList",
        "host.updateHost",
        "logout",
        "logoutChild",
    }
)
# A second call answers the same, or what the first one made is found and cleared away later: a buildroot expires with
# its task, a repo in INIT is swept by the hub's side, a subsession ends with its master. A build is the controlling
# task's own, to which the hub gives it again.
_REPEATABLE = frozenset(
    {
        "host.initBuild",
        "host.newBuildRoot",
        "host.repoInit",
        "host.taskWait",
        "host.taskWaitResults",
        "rawUpload",
        "repo.request",
        "subsession",
        "uploadFile",
    }
)


def is_done(name: str) -> bool:
    """Whether a call whose reply was lost counts as done, its result being of no use to anybody."""
    return name in _DONE


def is_repeatable(name: str, kwargs: Optional[Mapping[str, Any]]) -> bool:
    """Whether a call that went through may be made once more, as a new one, to get its reply.

    Args:
        name: the call's.
        kwargs: its named arguments. A subtask with a label is found again by it, one without would be a second one.
    """
    if name == "host.subtask":
        return bool(kwargs and kwargs.get("label"))
    return name in _REPEATABLE
