"""Buildroots: a host makes one for a task, lists what is in it and retires it (contract 7.7, 7.8)."""

from __future__ import annotations

from typing import Any, List, Mapping, Optional, Sequence, Union

import koji

from kojid.sandbox.hub.content import names, rpms
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export

States = koji.BR_STATES


def need_buildroot(ctx: Context, buildroot_id: int) -> Row:
    """A buildroot's row.

    Raises:
        koji.GenericError: there is none.
    """
    row = ctx.db.one("SELECT * FROM buildroot WHERE id = ?", (buildroot_id,))
    if row is None:
        raise koji.GenericError(f"no buildroot with ID: {buildroot_id}")
    return row


def own(ctx: Context, buildroot_id: int, task_id: Optional[int]) -> Row:
    """A buildroot of the calling host (and of its task, when one is given).

    Raises:
        koji.GenericError: there is none.
        koji.ActionNotAllowed: it is another host's or task's, or the task is not open on the calling host.
    """
    host_id = ctx.host()
    if task_id is not None:
        ctx.owned_task(task_id)
    row = need_buildroot(ctx, buildroot_id)
    if row["host_id"] != host_id:
        raise koji.ActionNotAllowed(f"Host {host_id} not owner of buildroot {buildroot_id}")
    if task_id is not None and row["task_id"] != task_id:
        raise koji.ActionNotAllowed(f"Task {task_id} does not have lock on buildroot {buildroot_id}")
    return row


@export("host.newBuildRoot")
def new_build_root(ctx: Context, repo: int, arch: str, task_id: Optional[int] = None) -> int:
    """Record a new buildroot in the state INIT (contract 7.2, step 3) and return its id.

    Raises:
        koji.ActionNotAllowed: the task is not open on the calling host.
        koji.GenericError: no such repo, or the architecture can be none.
    """
    host_id = ctx.host()
    if task_id is not None:
        ctx.owned_task(task_id)
    if ctx.db.one("SELECT id FROM repo WHERE id = ?", (repo,)) is None:
        raise koji.GenericError(f"No such repo: {repo}")
    return ctx.db.insert(
        "buildroot",
        container_arch=names.arches(arch),
        container_type="chroot",
        host_id=host_id,
        repo_id=repo,
        task_id=task_id,
        create_event=ctx.event(),
        state=States["INIT"],
    )


@export("host.setBuildRootState")
def set_build_root_state(ctx: Context, brootid: int, state: Union[int, str], task_id: Optional[int] = None) -> None:
    """Change a buildroot's state; expiring an expired one is let pass (contract 7.7).

    Raises:
        koji.ActionNotAllowed: it is another host's.
        koji.GenericError: no such buildroot or state, INIT is asked for, or it is EXPIRED.
    """
    row = own(ctx, brootid, task_id)
    wanted = _state(state)
    if wanted == States["INIT"]:
        raise koji.GenericError("Cannot change buildroot state to INIT")
    if row["state"] == States["EXPIRED"]:
        if wanted == States["EXPIRED"]:
            return
        raise koji.GenericError(f"buildroot {brootid} is EXPIRED")
    retired = {"retire_event": ctx.event()} if wanted == States["EXPIRED"] else {}
    ctx.db.update("buildroot", {"id": brootid}, state=wanted, **retired)


def _state(state: Union[int, str]) -> int:
    try:
        return int(States[state]) if isinstance(state, str) else int(States[States[state]])
    except (KeyError, IndexError):
        raise koji.GenericError(f"No such buildroot state: {state!r}") from None


@export("host.setBuildRootList")
def set_build_root_list(
    ctx: Context, brootid: int, rpmlist: Sequence[Mapping[str, Any]], task_id: Optional[int] = None
) -> None:
    """Record what a buildroot was first filled with; only in INIT (contract 7.7).

    Raises:
        koji.ActionNotAllowed: it is another host's.
        koji.GenericError: it is in another state, or the hub does not know one of the rpms.
    """
    row = own(ctx, brootid, task_id)
    check_state(row, "INIT")
    _add(ctx, row, [_rpm_id(ctx, rpm) for rpm in rpmlist], update=False)


@export("host.updateBuildRootList")
def update_build_root_list(
    ctx: Context, brootid: int, rpmlist: Sequence[Mapping[str, Any]], task_id: Optional[int] = None
) -> None:
    """Record what is in a buildroot now; what is listed already stays as it is; only in BUILDING (contract 7.7).

    Raises:
        koji.ActionNotAllowed: it is another host's.
        koji.GenericError: it is in another state, or the hub does not know one of the rpms.
    """
    row = own(ctx, brootid, task_id)
    check_state(row, "BUILDING")
    listed = set(ctx.db.values("SELECT rpm_id FROM buildroot_listing WHERE buildroot_id = ?", (brootid,)))
    found = [_rpm_id(ctx, rpm) for rpm in rpmlist]
    _add(ctx, row, [rpm_id for rpm_id in found if rpm_id not in listed], update=True)


def check_state(row: Row, state: str) -> None:
    """Make sure that a buildroot is in a state.

    Raises:
        koji.GenericError: it is in another one.
    """
    if row["state"] != States[state]:
        raise koji.GenericError(f"buildroot {row['id']} in wrong state {row['state']}")


def _rpm_id(ctx: Context, rpm: Mapping[str, Any]) -> int:
    found = rpms.external(ctx, rpm) if rpm.get("location") else rpms.get_rpm(ctx, rpm, strict=True)
    return int(found["id"])


def _add(ctx: Context, row: Row, rpm_ids: Sequence[int], update: bool) -> None:
    if len(set(rpm_ids)) != len(rpm_ids):
        raise koji.GenericError(f"an rpm is listed twice for buildroot {row['id']}")
    added: List[Row] = [{"buildroot_id": row["id"], "rpm_id": rpm_id, "is_update": update} for rpm_id in rpm_ids]
    ctx.db.insert_many("buildroot_listing", added)
