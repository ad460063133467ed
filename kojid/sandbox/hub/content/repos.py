"""A tag's repos: their rows, their options, and the states that they go through (contract 9)."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

import koji

from kojid.sandbox.hub import queries, releases
from kojid.sandbox.hub.content import names
from kojid.sandbox.hub.database import Row, equal
from kojid.sandbox.hub.kernel import Context, export

States = koji.REPO_STATES
OPTIONS: Dict[str, bool] = {"src": False, "debuginfo": False, "separate_src": False, "maven": False}
COLUMNS = (
    "repo.id, repo.tag_id, tag.name AS tag_name, repo.state, repo.dist, repo.opts, repo.custom_opts, repo.task_id,"
    " task.state AS task_state, repo.creation_time AS creation_ts, time_text(repo.creation_time) AS creation_time,"
    " repo.state_time AS state_ts, time_text(repo.state_time) AS state_time, repo.create_event,"
    " made.time AS create_ts, repo.begin_event, begun.time AS begin_ts, repo.end_event, ended.time AS end_ts"
)
#: What hubs told of a repo before it had options.
_OLDER_COLUMNS = ("id", "state", "task_id", "create_event", "creation_time", "create_ts", "tag_id", "tag_name", "dist")
TABLES = (
    "repo JOIN tag ON tag.id = repo.tag_id JOIN events AS made ON made.id = repo.create_event"
    " LEFT JOIN events AS begun ON begun.id = repo.begin_event LEFT JOIN events AS ended ON ended.id = repo.end_event"
    " LEFT JOIN task ON task.id = repo.task_id"
)


def find(ctx: Context, where: Mapping[str, Any], condition: str = "1") -> List[Row]:
    """Repos, the newest first, whose columns equal `where` and that meet an SQL condition of this module's own."""
    clause, params = equal(where)
    rows = ctx.db.all(
        f"SELECT {COLUMNS} FROM {TABLES} WHERE {clause} AND {condition} ORDER BY repo.create_event DESC, repo.id DESC",
        params,
    )
    for row in rows:
        row["opts"], row["custom_opts"] = json.loads(row["opts"]), json.loads(row["custom_opts"])
    return rows


def directory(ctx: Context, repo: Row) -> Path:
    """Where a repo lies (contract 13)."""
    paths = ctx.settings.pathinfo
    return Path((paths.distrepo if repo["dist"] else paths.repo)(repo["id"], repo["tag_name"]))


def options(given: Any, strict: bool = True) -> Dict[str, bool]:
    """The options of a repo that somebody asks for; those that are None count as not given.

    Args:
        given: a dict, or None for none.
        strict: whether unknown ones are errors; else they are left out.

    Raises:
        koji.ParameterError: it is no dict, or an option is unknown.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        if not strict:
            return {}
        raise koji.ParameterError("Repo opts must be a dictionary")
    unknown = sorted(set(given) - set(OPTIONS))
    if unknown and strict:
        raise koji.ParameterError(f"Invalid repo option: {unknown[0]}")
    return {key: bool(value) for key, value in given.items() if key in OPTIONS and value is not None}


def effective_options(tag: Row, asked: Any) -> Tuple[Dict[str, bool], Dict[str, bool]]:
    """A new repo's options: the tag's (its extra `repo.opts`, or the older `with_debuginfo`) with those asked for.

    Returns:
        All of them, and those asked for that differ from the tag's.
    """
    extra = tag["extra"]
    older = {"debuginfo": extra["with_debuginfo"]} if "with_debuginfo" in extra else {}
    base = {**OPTIONS, **options(extra.get("repo.opts", older), strict=False)}
    base["maven"] = base["maven"] or bool(tag["maven_support"])
    wanted = options(asked)
    custom = {key: value for key, value in wanted.items() if value != base[key]}
    return {**base, **custom}, custom


def set_state(ctx: Context, repo: Row, state: str) -> None:
    """Take a repo into a state; being in it already is let pass.

    Raises:
        koji.GenericError: states go upward only, and DELETED is the end.
    """
    number = int(States[state])
    if repo["state"] == number:
        return
    if repo["state"] == States["DELETED"]:
        raise koji.GenericError(f"Repo {repo['id']} is deleted")
    if repo["state"] > number and state != "DELETED":
        raise koji.GenericError(
            f"Invalid repo state transition for repo {repo['id']}: {States[repo['state']]} -> {state}"
        )
    ctx.db.update("repo", {"id": repo["id"]}, state=number, state_time=time.time())


@export("repoInfo", reads=True)
def repo_info(ctx: Context, repo_id: int, strict: bool = False) -> Optional[Row]:
    """One repo (contract 7.2, step 1); None without one.

    Raises:
        koji.GenericError: there is none and `strict`.
    """
    found = _by_id(ctx, repo_id)
    if not found and strict:
        raise koji.GenericError(f"No such repo: {repo_id}")
    return _shown(ctx, found[0]) if found else None


def _by_id(ctx: Context, repo_id: int) -> List[Row]:
    return find(ctx, {"repo.id": queries.integer(repo_id, "repo_id")})


def _shown(ctx: Context, repo: Row) -> Row:
    """A repo as hubs of this release tell of it."""
    if releases.has(ctx.settings.version, releases.REPO_OPTIONS):
        return repo
    return {name: repo[name] for name in _OLDER_COLUMNS}


def need_repo(ctx: Context, repo_id: int) -> Row:
    """A repo that has to exist.

    Raises:
        koji.GenericError: it does not.
    """
    found = _by_id(ctx, repo_id)
    if not found:
        raise koji.GenericError(f"No such repo: {repo_id}")
    return found[0]


@export("getRepo", reads=True)
def get_repo(
    ctx: Context,
    tag: names.Info,
    state: Optional[int] = None,
    event: Optional[int] = None,
    dist: bool = False,
    min_event: Optional[int] = None,
) -> Optional[Row]:
    """The newest repo of a tag (contract 9.2, step 5); None without one.

    Args:
        ctx: the call.
        tag: the tag.
        state: in this state; READY when neither it nor `event` is given.
        event: made from this event or an earlier one, whatever its state.
        dist: a dist repo rather than one to build from.
        min_event: made from this event or a later one.

    Raises:
        koji.GenericError: no such tag.
    """
    where: Dict[str, Any] = {"repo.tag_id": names.need(ctx, "tag", tag)["id"], "repo.dist": bool(dist)}
    conditions = ["1"]
    if event:
        conditions.append(f"repo.create_event <= {queries.integer(event, 'event')}")
    else:
        where["repo.state"] = States["READY"] if state is None else queries.integer(state, "state")
    if min_event is not None:
        conditions.append(f"repo.create_event >= {queries.integer(min_event, 'min_event')}")
    found = find(ctx, where, " AND ".join(conditions))
    return _shown(ctx, max(found, key=lambda repo: repo["creation_ts"])) if found else None


@export("getActiveRepos", reads=True)
def get_active_repos(ctx: Context) -> List[Row]:
    """Every repo that is not deleted, for whoever looks after them."""
    return find(ctx, {}, f"repo.state != {int(States['DELETED'])}")


@export("repo.references", reads=True)
def references(ctx: Context, repo_id: int) -> List[Row]:
    """The buildroots of a repo that are not retired."""
    return ctx.db.all(
        "SELECT id, host_id, task_id, create_event, state FROM buildroot"
        " WHERE repo_id = ? AND retire_event IS NULL AND state != ?",
        (repo_id, koji.BR_STATES["EXPIRED"]),
    )


@export("repoExpire")
def repo_expire(ctx: Context, repo_id: int) -> None:
    """Mark a repo as no longer to be used by new builds; needs the permission `repo`.

    Raises:
        koji.GenericError: no such repo, or it is past that.
    """
    ctx.require("repo")
    set_state(ctx, need_repo(ctx, repo_id), "EXPIRED")


@export("repoProblem")
def repo_problem(ctx: Context, repo_id: int) -> None:
    """Mark a repo as broken; needs the permission `repo`; errors as repoExpire."""
    ctx.require("repo")
    set_state(ctx, need_repo(ctx, repo_id), "PROBLEM")


@export("repoDelete")
def repo_delete(ctx: Context, repo_id: int) -> int:
    """Mark a repo as deleted unless buildroots still use it; its files stay; needs the permission `repo`.

    Returns:
        How many buildroots use it.

    Raises:
        koji.GenericError: no such repo.
    """
    ctx.require("repo")
    repo = need_repo(ctx, repo_id)
    users = references(ctx, repo_id)
    if not users:
        set_state(ctx, repo, "DELETED")
    return len(users)
