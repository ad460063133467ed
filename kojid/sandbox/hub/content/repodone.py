"""Ending a repo: the builder's repodata is put in place and the repo becomes READY (contract 9.2, step 8)."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any, List, Mapping, Optional, Sequence

import koji

from kojid.sandbox.hub.content import filing, reporequests, repos
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export


@export("host.repoDone")
def host_repo_done(
    ctx: Context,
    repo_id: int,
    data: Mapping[str, Sequence[Any]],
    expire: bool = False,
    repo_json_updates: Optional[Mapping[str, Any]] = None,
) -> None:
    """Put a repo's repodata in place, mark it READY and fulfil the requests that it answers.

    Args:
        ctx: the call.
        repo_id: the repo, in the state INIT.
        data: architecture -> [upload directory, names of files]; names that end in pkglist go one level up.
        expire: mark it EXPIRED at once (builders up to 1.34, for a repo of an event).
        repo_json_updates: what repo.json is to say in addition.

    Raises:
        koji.ActionNotAllowed: the repo's task is not open on the calling host.
        koji.GenericError: no such repo, it is in another state, an architecture is not its own, a file is missing
            or was not uploaded by the repo's task or its subtasks.
    """
    ctx.host()
    repo = repos.need_repo(ctx, repo_id)
    if repo["state"] != repos.States["INIT"]:
        raise koji.GenericError(f"Repo {repo_id} not in INIT state (got {repo['state']})")
    family: List[int] = []
    if repo["task_id"] is not None:
        ctx.owned_task(repo["task_id"])
        family = filing.of_task(ctx, repo["task_id"])
    home = repos.directory(ctx, repo)
    moves: List[filing.Move] = []
    for arch, (directory, files) in {} if repo["dist"] else data.items():
        moves += _moves(ctx, home, arch, directory, files, family)
    for source, target in moves:
        target.parent.mkdir(exist_ok=True)
        shutil.move(str(source), str(target))
    _update_info(home / "repo.json", repo_json_updates or {})
    repos.set_state(ctx, repo, "EXPIRED" if expire else "READY")
    if not expire:
        ready = repos.need_repo(ctx, repo_id)
        _link_latest(ctx, ready)
        if not repo["dist"]:
            reporequests.fulfil(ctx, ready)


def _moves(
    ctx: Context, home: Path, arch: str, directory: str, files: Sequence[str], family: Sequence[int]
) -> List[filing.Move]:
    place = home / koji.canonArch(arch)
    if "/" in arch or not place.is_dir():
        raise koji.GenericError(f"Repo arch directory missing: {place}")
    moves: List[filing.Move] = []
    for name in files:
        source = filing.uploaded(ctx, f"{directory}/{name}", family)
        moves.append((source, (place if name.endswith("pkglist") else place / "repodata") / source.name))
    return moves


def _update_info(path: Path, changes: Mapping[str, Any]) -> None:
    if changes:
        info = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({**info, **changes}, indent=2), encoding="utf-8")


def _link_latest(ctx: Context, repo: Row) -> None:
    """Point the tag's link `latest` at a repo with the tag's own options, unless there is a newer one."""
    if repo["custom_opts"]:  # a dist-repo has none
        return
    ready = {"repo.tag_id": repo["tag_id"], "repo.state": repos.States["READY"], "repo.dist": repo["dist"]}
    if any(
        not other["custom_opts"] and other["create_event"] > repo["create_event"] for other in repos.find(ctx, ready)
    ):
        return
    link = repos.directory(ctx, repo).parent / "latest"
    fresh = link.with_name(f".latest-{repo['id']}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(str(repo["id"]))
    os.replace(fresh, link)  # in one step, so that the link is there at all times
