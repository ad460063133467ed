"""Calls that must not be made twice and whose reply got lost: the hub is asked what became of them.

A hub that enforces call numbers stores a call's number in the same transaction as what the call has changed, and
refuses a repetition by RetryError: the call went through, only its reply is missing (contract 3.4; 11.1, items 3 and
16). Releases 1.31 to 1.35.3 enforce nothing and do the call once more, which then fails on what the first one has
done, or does it twice. One table serves both: what a call is known by afterwards.
"""

from __future__ import annotations

import enum
import logging
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Set, Tuple

import koji
import koji.xmlrpcplus

from kojid.hub import scratchfiles

logger = logging.getLogger("koji")


@dataclass(frozen=True)
class Found:
    """The hub has done the call.

    Args:
        answer: what it would have answered.
    """

    answer: Any = None


class Proven(enum.Enum):
    """What to do when the hub says that it has done a call (RetryError)."""

    DONE = "nothing, nobody needs the reply"
    AGAIN = "make a new call when asking yields nothing: it does no harm and gets the reply"
    ASK = "ask; without an answer the reply can't be made up for"


Args = Sequence[Any]
Kwargs = Mapping[str, Any]
Ask = Callable[..., Optional[Found]]  # ask(inquiry, *args, **kwargs) with the arguments of the call


@dataclass(frozen=True)
class Rule:
    """What is known of a method whose reply may get lost.

    Args:
        proven: what to do about a RetryError.
        ask: finds out what became of the call.
        first: ask before each repetition, because a second call would make a second thing.
    """

    proven: Proven
    ask: Optional[Ask] = None
    first: bool = False


@dataclass
class Memory:
    """The ids that a session was answered, by method: what it finds later is not one of them."""

    known: Dict[str, Set[int]] = field(default_factory=dict)

    def note(self, name: str, answer: Any) -> None:
        """Keep the id that a call has made."""
        made = answer[0] if isinstance(answer, (list, tuple)) and answer else answer
        if name in _MAKERS and isinstance(made, int):
            self.known.setdefault(name, set()).add(made)


@dataclass
class Inquiry:
    """One question about one call.

    Args:
        session: the session that made the call.
        known: what its method has answered to this session before.
    """

    session: Any
    known: Set[int]

    def newest(self, rows: Sequence[Mapping[str, Any]], task_id: int) -> Optional[Found]:
        """The youngest of the rows that the present run of a task can have made and that nobody knows yet."""
        begun = (self.session.getTaskInfo(task_id) or {}).get("start_ts") or 0
        # start and creation are both by the hub's clock; an earlier run of the task has left older rows
        made = [row["id"] for row in rows if row["id"] not in self.known and (row.get("create_ts") or begun) >= begun]
        return Found(max(made)) if made else None


def rule_of(name: str, args: Args, kwargs: Optional[Kwargs]) -> Optional[Rule]:
    """The rule for a call, None for calls that change nothing or that nothing is known of.

    Args:
        name: the method.
        args, kwargs: the call's arguments. A subtask with a label is found again by it, one without would be made
            a second time.
    """
    if name in ("host.subtask", "host.subtask2") and _label(name, args, kwargs or {}):
        return _LABELLED
    return _RULES.get(name)


def ask(session: Any, memory: Memory, name: str, args: Args, kwargs: Optional[Kwargs]) -> Optional[Found]:
    """What became of a call; None when it was not done, or that can't be found out.

    Args:
        session: the session that made it, which is asked; its errors are only logged.
        memory: of that session.
        name, args, kwargs: the call.
    """
    try:
        return inquire(session, memory, name, args, kwargs)
    except Exception as error:
        logger.info("What became of %s can't be found out: %s", name, error)
        return None


def inquire(session: Any, memory: Memory, name: str, args: Args, kwargs: Optional[Kwargs]) -> Optional[Found]:
    """As `ask`, but errors of the hub and of the way to it are raised."""
    rule = rule_of(name, args, kwargs)
    if rule is None or rule.ask is None:
        return None
    found = rule.ask(Inquiry(session, memory.known.get(name, set())), *args, **(kwargs or {}))
    if found is not None:
        made = f": {found.answer}" if isinstance(found.answer, (int, list)) else ""
        logger.warning("The reply to %s was lost, the hub has done it%s", name, made)
    return found


def _label(name: str, args: Args, kwargs: Kwargs) -> Any:
    if name == "host.subtask":
        return kwargs.get("label")
    return (args[1] or {}).get("label") if len(args) > 1 else None


# -- tasks


def _opened(hub: Inquiry, task_id: int) -> Optional[Found]:
    task = hub.session.getTaskInfo(task_id)
    if not task:
        return None
    ours = task["state"] == koji.TASK_STATES["OPEN"] and task["host_id"] == hub.session.host.getID()
    return Found(task if ours else None)  # another's by now, or canceled: that is no task for us


def _ended(hub: Inquiry, task_id: int, *_: Any) -> Optional[Found]:
    task = hub.session.getTaskInfo(task_id)
    ended = task and task["state"] in (koji.TASK_STATES["CLOSED"], koji.TASK_STATES["FAILED"])
    return Found() if ended and task["host_id"] == hub.session.host.getID() else None


def _child(hub: Inquiry, method: str, arglist: Args, parent: int, **opts: Any) -> Optional[Found]:
    wanted = _travelled(koji.encode_args(*arglist, **(opts.get("kwargs") or {})))
    children = hub.session.getTaskChildren(parent, request=True)
    alike = [row for row in children if row["method"] == method and _travelled(row["request"]) == wanted]
    return hub.newest([row for row in alike if row.get("label") == opts.get("label")], parent)


def _child2(hub: Inquiry, parent: int, taskopts: Mapping[str, Any], method: str, *args: Any, **opts: Any) -> Any:
    return _child(hub, method, koji.encode_args(*args, **opts), parent, **taskopts)


def _travelled(params: Args) -> Tuple[Any, ...]:
    """Parameters as they come out at the other end: tuples have become lists."""
    return tuple(koji.xmlrpcplus.loads(koji.xmlrpcplus.dumps(tuple(params), methodresponse=None))[0])


# -- buildroots


def _buildroot(hub: Inquiry, repo: int, arch: str, task_id: Optional[int] = None) -> Optional[Found]:
    if task_id is None:
        return None
    rows = hub.session.listBuildroots(taskID=task_id)
    return hub.newest([row for row in rows if (row["repo_id"], row["arch"]) == (repo, arch)], task_id)


def _listed(hub: Inquiry, brootid: int, *_: Any) -> Optional[Found]:
    return Found() if hub.session.getBuildrootListing(brootid) else None


# -- builds


def _build(hub: Inquiry, data: Mapping[str, Any]) -> Optional[Found]:
    if not data.get("task_id"):
        return None
    builds = hub.session.listBuilds(taskID=data["task_id"])
    ids = [build["build_id"] for build in builds if build["state"] == koji.BUILD_STATES["BUILDING"]]
    return Found(max(ids)) if ids else None


def _begun(hub: Inquiry, task_id: int, *_: Any) -> Optional[Found]:
    """The build that a task has begun; a second call would begin the next release."""
    found = _build(hub, {"task_id": task_id})
    return Found(hub.session.getBuild(found.answer)) if found else None


def _completed(hub: Inquiry, task_id: int, build_id: int, *_: Any, **__: Any) -> Optional[Found]:
    return _build_in(hub, task_id, build_id, "COMPLETE")


def _failed(hub: Inquiry, task_id: int, build_id: int, *_: Any) -> Optional[Found]:
    return _build_in(hub, task_id, build_id, "FAILED")


def _build_in(hub: Inquiry, task_id: int, build_id: Any, state: str) -> Optional[Found]:
    build = hub.session.getBuild(build_id["id"] if isinstance(build_id, dict) else build_id)
    done = build and build["state"] == koji.BUILD_STATES[state] and build["task_id"] == task_id
    return Found() if done else None


def _scratch(hub: Inquiry, task_id: int, *args: Any, **kwargs: Any) -> Optional[Found]:
    return Found() if scratchfiles.are_moved(hub.session, task_id, *args, **kwargs) else None


def _scratch_images(hub: Inquiry, task_id: int, results: Mapping[str, Any], *_: Any) -> Optional[Found]:
    return Found() if scratchfiles.images_are_moved(hub.session, task_id, results) else None


def _tagged(hub: Inquiry, _task_id: int, tag: Any, build: Any, *_: Any, **__: Any) -> Optional[Found]:
    tags = hub.session.listTags(build=build)
    return Found() if any(tag in (row["id"], row["name"]) for row in tags) else None


# -- repos and the session


def _repo(hub: Inquiry, _tag: Any, task_id: Optional[int] = None, *_: Any, **__: Any) -> Optional[Found]:
    if task_id is None:
        return None
    # hubs before 1.35 do not know this call: there a second repo is made, and the first one swept as stale
    rows = hub.session.repo.query(
        [["task_id", "=", task_id], ["state", "=", koji.REPO_INIT]], fields=["id", "create_event", "creation_ts"]
    )
    events = {row["id"]: row["create_event"] for row in rows}
    found = hub.newest([{"id": row["id"], "create_ts": row["creation_ts"]} for row in rows], task_id)
    return Found([found.answer, events[found.answer]]) if found else None


def _repo_done(hub: Inquiry, repo_id: int, *_: Any, **__: Any) -> Optional[Found]:
    repo = hub.session.repoInfo(repo_id)
    done = repo and repo["state"] in (koji.REPO_STATES["READY"], koji.REPO_STATES["EXPIRED"])
    return Found() if done else None


def _exclusive(hub: Inquiry, *_: Any, **__: Any) -> Optional[Found]:
    return Found() if (hub.session.getSessionInfo() or {}).get("exclusive") else None


_DONE = Rule(Proven.DONE)
# A second call answers the same, or what the first one made is found and cleared away later: a repo in INIT is swept
# by the hub's side, a subsession ends with its master.
_AGAIN = Rule(Proven.AGAIN)
_LABELLED = Rule(Proven.AGAIN)
_COMPLETION = Rule(Proven.DONE, _completed)
_MAKERS = frozenset({"host.initBuild", "host.newBuildRoot", "host.repoInit", "host.subtask", "host.subtask2"})
_RULES: Dict[str, Rule] = {
    "cancelTaskChildren": _DONE,
    "exclusiveSession": Rule(Proven.DONE, _exclusive),
    "host.closeTask": Rule(Proven.DONE, _ended),
    "host.completeBuild": _COMPLETION,
    "host.completeImageBuild": _COMPLETION,
    "host.completeMavenBuild": _COMPLETION,
    "host.distRepoMove": _DONE,
    "host.failBuild": Rule(Proven.DONE, _failed),
    "host.failTask": Rule(Proven.DONE, _ended),
    "host.freeTasks": _DONE,
    "host.importWrapperRPMs": _DONE,
    "host.initBuild": Rule(Proven.AGAIN, _build, first=True),
    "host.initImageBuild": Rule(Proven.AGAIN, _begun, first=True),
    "host.initMavenBuild": Rule(Proven.AGAIN, _begun, first=True),
    "host.moveBuildToScratch": Rule(Proven.DONE, _scratch),
    "host.moveImageBuildToScratch": Rule(Proven.DONE, _scratch_images),
    "host.moveMavenBuildToScratch": _DONE,
    "host.newBuildRoot": Rule(Proven.AGAIN, _buildroot, first=True),
    "host.openTask": Rule(Proven.ASK, _opened),
    "host.refuseTask": _DONE,
    "host.repoDone": Rule(Proven.DONE, _repo_done),
    "host.repoInit": Rule(Proven.AGAIN, _repo, first=True),
    "host.setBuildRootList": Rule(Proven.DONE, _listed),
    "host.setBuildRootState": _DONE,
    "host.setHostData": _DONE,
    "host.setTaskWeight": _DONE,
    "host.subtask": Rule(Proven.ASK, _child, first=True),
    "host.subtask2": Rule(Proven.ASK, _child2, first=True),
    "host.tagBuild": Rule(Proven.DONE, _tagged),
    "host.tagNotification": _DONE,
    "host.taskSetWait": _DONE,
    "host.taskUnwait": _DONE,
    "host.taskWait": _AGAIN,
    "host.taskWaitResults": _AGAIN,
    "host.updateBuildRootList": _DONE,
    "host.updateHost": _DONE,
    "host.updateMavenBuildRootList": _DONE,
    "logout": _DONE,
    "logoutChild": _DONE,
    "rawUpload": _AGAIN,
    "repo.request": _AGAIN,
    "subsession": _AGAIN,
    "uploadFile": _AGAIN,
}
