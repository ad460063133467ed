"""Requests for repos: a build asks for one that is new enough, and the hub has it made (contract 5.6, 6.10).

A hub looks at its queue from time to time; this one does so whenever somebody asks, so that nobody waits for that.
"""

from __future__ import annotations

import json
import time
from typing import Any, Dict, List, Mapping, Optional, Union

import koji

from kojid.sandbox.hub import queries, tasks
from kojid.sandbox.hub.content import names, repos, tagchanges, tags
from kojid.sandbox.hub.database import Row, equal
from kojid.sandbox.hub.kernel import Context, export

COLUMNS = (
    "queue.id, time_text(queue.create_time) AS create_time, queue.create_time AS create_ts, queue.owner,"
    " users.name AS owner_name, queue.priority, queue.tag_id, tag.name AS tag_name, queue.at_event, queue.min_event,"
    " queue.opts, time_text(queue.update_time) AS update_time, queue.update_time AS update_ts, queue.active,"
    " queue.task_id, task.state AS task_state, queue.tries, queue.repo_id"
)
TABLES = (
    "repo_queue AS queue JOIN users ON users.id = queue.owner JOIN tag ON tag.id = queue.tag_id"
    " LEFT JOIN task ON task.id = queue.task_id"
)
TASK_PRIORITY = 15
CHANNEL = "createrepo"
MAX_TASKS = 10
RETRIES = 3  # the setting `repo_retries`
#: Setting `repo_lag` (seconds): how old a tag's changes have to be before a build wants them in its repo; a tag's
#: extra `repo.lag` goes before it. Requests within one window get the same event, so that one repo serves them all.
LAG = 3600
WINDOW = 600


def _requests(ctx: Context, where: Mapping[str, Any], condition: str = "1") -> List[Row]:
    clause, params = equal(where)
    order = "ORDER BY queue.priority, queue.id"
    rows = ctx.db.all(f"SELECT {COLUMNS} FROM {TABLES} WHERE {clause} AND {condition} {order}", params)
    return [{**row, "opts": json.loads(row["opts"])} for row in rows]


def _answers(repo: Row, request: Row) -> bool:
    """Whether a repo is what a request asks for: new enough, with all options asked for and no other special ones."""
    if request["at_event"] is not None:
        if repo["create_event"] != request["at_event"]:
            return False
    elif request["min_event"] is not None and repo["create_event"] < request["min_event"]:
        return False
    opts = request["opts"]
    asked_for = all(repo["opts"].get(key) == value for key, value in opts.items())
    return asked_for and all(opts.get(key) == value for key, value in repo["custom_opts"].items())


def _ready(ctx: Context, request: Row) -> Optional[Row]:
    found = repos.find(ctx, {"repo.tag_id": request["tag_id"], "repo.dist": False, "repo.state": repos.States["READY"]})
    return next((repo for repo in found if _answers(repo, request)), None)


def fulfil(ctx: Context, repo: Row) -> None:
    """Give a repo that has become READY to the requests that it answers."""
    for request in _requests(ctx, {"queue.tag_id": repo["tag_id"], "queue.active": True, "queue.repo_id": None}):
        if _answers(repo, request):
            _update(ctx, request, repo_id=repo["id"], active=False)


def _update(ctx: Context, request: Row, **values: Any) -> None:
    ctx.db.update("repo_queue", {"id": request["id"]}, update_time=time.time(), **values)


def work_queue(ctx: Context) -> None:
    """Make the newRepo tasks that open requests need; one whose task failed is tried again, so many times."""
    running = 0
    waiting: List[Row] = []
    for request in _requests(ctx, {"queue.active": True, "queue.repo_id": None}):
        if request["task_id"] is None:
            waiting.append(request)
        elif request["task_state"] not in tasks.FINISHED:
            running += 1
        elif (request["tries"] or 0) > ctx.settings.content.get("repo_retries", RETRIES):
            _update(ctx, request, active=False)
        else:
            waiting.append(request)
    for request in waiting[: max(0, MAX_TASKS - running)]:
        _update(ctx, request, task_id=_make_task(ctx, request), tries=(request["tries"] or 0) + 1)


def _make_task(ctx: Context, request: Row) -> int:
    (ctx.settings.topdir / "repos").mkdir(parents=True, exist_ok=True)  # builders refuse newRepo without it
    kwargs: Dict[str, Any] = {"opts": request["opts"]}
    if request["at_event"] is not None:
        kwargs["event"] = request["at_event"]
    params = koji.encode_args({"id": request["tag_id"], "name": request["tag_name"]}, **kwargs)
    return tasks.make_task(ctx, "newRepo", params, priority=TASK_PRIORITY, channel=CHANNEL, owner=request["owner"])


@export("repo.request")
def request_repo(
    ctx: Context,
    tag: names.Info,
    min_event: Union[int, str, None] = None,
    at_event: Optional[int] = None,
    opts: Optional[Mapping[str, Any]] = None,
    priority: Optional[int] = None,
    force: bool = False,
) -> Row:
    """Ask for a repo of a tag.

    Args:
        ctx: the call.
        tag: the tag.
        min_event: made from this event or a later one; "last" means the tag's last change, None the last one that
            is older than the lag (see `LAG`).
        at_event: made from exactly this event.
        opts: src, debuginfo, separate_src where they are to differ from the tag's.
        priority: relative to the usual one; only admins ask for one below 0.
        force: have a new one made although there is one.

    Returns:
        `repo` (or None), `request` (or None), and `duplicate`: whether an earlier request is given.

    Raises:
        koji.GenericError: no such tag or event, unknown options, min_event and at_event together.
        koji.ActionNotAllowed: nobody is logged in, or a priority that only admins may ask for.
    """
    user_id = ctx.user_id()
    found = tags.need_tag(ctx, tag)
    wanted = repos.options(opts)
    repos.effective_options(found, wanted)
    if at_event is not None and min_event is not None:
        raise koji.ParameterError("The min_event and at_event options conflict")
    asked: Row = {"tag_id": found["id"], "at_event": at_event, "min_event": None, "opts": wanted}
    if at_event is not None:
        ctx.call("getEvent", at_event)
    else:
        asked["min_event"] = _min_event(ctx, found, min_event)
    if (priority or 0) < 0:
        ctx.require("admin")
    repo = None if force else _ready(ctx, asked)
    if repo is not None:
        return {"repo": repo, "request": None, "duplicate": False}
    rank = koji.PRIO_DEFAULT + (priority or 0)
    earlier = _same(ctx, asked)
    if earlier is not None:
        ctx.db.update("repo_queue", {"id": earlier["id"]}, priority=min(rank, earlier["priority"]))
    request_id = earlier["id"] if earlier is not None else _insert(ctx, asked, user_id, rank)
    work_queue(ctx)
    return {
        "repo": None,
        "request": _requests(ctx, {"queue.id": request_id})[0],
        "duplicate": earlier is not None,
    }


def _min_event(ctx: Context, tag: Row, asked: Union[int, str, None]) -> Optional[int]:
    if asked == "last":
        return tagchanges.tag_last_change_event(ctx, tag["id"])
    if asked is None:
        return _lagging_event(ctx, tag)
    event = queries.integer(asked, "min_event")
    ctx.call("getEvent", event)
    return event


def _lagging_event(ctx: Context, tag: Row) -> Optional[int]:
    """The tag's last change, or the newest event older than the lag when that comes first."""
    last = tagchanges.tag_last_change_event(ctx, tag["id"])
    lag = tag["extra"].get("repo.lag")
    if not isinstance(lag, int):
        lag = ctx.settings.content.get("repo_lag", LAG)
    limit = (time.time() - lag) // WINDOW * WINDOW if lag else time.time()
    old: Optional[Row] = ctx.call("getLastEvent", before=limit, strict=False)
    base = old["id"] if old else tagchanges.tag_first_change_event(ctx, tag["id"])
    return last if last is None or base is None else min(base, last)


def _same(ctx: Context, asked: Row) -> Optional[Row]:
    """An open request for the same repo, or a newer one."""
    for request in _requests(ctx, {"queue.tag_id": asked["tag_id"], "queue.active": True}):
        if request["opts"] != asked["opts"]:
            continue
        if asked["at_event"] is not None and request["at_event"] == asked["at_event"]:
            return request
        if asked["at_event"] is None and (request["min_event"] or 0) >= (asked["min_event"] or 0):
            return request
    return None


def _insert(ctx: Context, asked: Row, owner: int, priority: int) -> int:
    now = time.time()
    values = {**asked, "opts": json.dumps(asked["opts"])}
    return ctx.db.insert("repo_queue", create_time=now, update_time=now, owner=owner, priority=priority, **values)


@export("repo.checkRequest")
def check_request(ctx: Context, req_id: int) -> Row:
    """How a request for a repo stands: `request`, `repo` (or None), and its `task` while that runs.

    Raises:
        koji.GenericError: no such request.
    """
    work_queue(ctx)
    found = _requests(ctx, {"queue.id": queries.integer(req_id, "req_id")})
    if not found:
        raise koji.GenericError("No such request")
    request = found[0]
    answer: Row = {"repo": None, "request": request}
    if request["repo_id"]:
        answer["repo"] = repos.repo_info(ctx, request["repo_id"])
    elif request["task_id"]:
        answer["task"] = ctx.call("getTaskInfo", request["task_id"])
    return answer


@export("repo.get", reads=True)
def get(
    ctx: Context,
    tag: names.Info,
    min_event: Optional[int] = None,
    at_event: Optional[int] = None,
    opts: Optional[Mapping[str, Any]] = None,
) -> Optional[Row]:
    """The newest READY repo of a tag that is what a request with these arguments asks for; None without one.

    Raises:
        koji.GenericError: no such tag, or unknown options.
    """
    tag_id = names.need(ctx, "tag", tag)["id"]
    asked = {"tag_id": tag_id, "min_event": min_event, "at_event": at_event, "opts": repos.options(opts)}
    return _ready(ctx, asked)


@export("repo.queryQueue", reads=True)
def query_queue(ctx: Context, clauses: Any = None, fields: Any = None, opts: queries.QueryOpts = None) -> Any:
    """The requests for repos; this hub takes neither clauses nor fields.

    Raises:
        koji.ParameterError: there are clauses or fields.
    """
    if clauses or fields:
        raise koji.ParameterError("repo.queryQueue: this hub takes neither clauses nor fields")
    return queries.apply(_requests(ctx, {}), opts)


@export("repo.updateEndEvents")
def update_end_events(ctx: Context) -> None:
    """Note, for READY repos, the first event that changed their tags since; needs the permission `repo`."""
    ctx.require("repo")
    for repo in repos.find(ctx, {"repo.end_event": None, "repo.state": repos.States["READY"]}):
        ended = tagchanges.tag_first_change_event(ctx, repo["tag_id"], after=repo["create_event"])
        ctx.db.update("repo", {"id": repo["id"]}, end_event=ended)


@export("repo.checkQueue")
def check_queue(ctx: Context) -> None:
    """Look at the queue now; needs the permission `repo`."""
    ctx.require("repo")
    work_queue(ctx)
