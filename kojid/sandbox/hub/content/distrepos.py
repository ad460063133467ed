"""Dist-repos: asking for one, and taking in its arches as builders make them (contract 9.4, 9.5)."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import koji

from kojid.sandbox.hub import tasks
from kojid.sandbox.hub.content import builds, filing, names, policy, repos, rpms, tags
from kojid.sandbox.hub.content.submissions import REPO_CHANNEL, REPO_PRIORITY
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export

#: What a builder says of each rpm and the hub knows better.
_CHECKED = ("name", "version", "release", "arch", "epoch", "size", "payloadhash", "build_id")
_UNDER_WAY = (tasks.FREE, tasks.OPEN, tasks.ASSIGNED)

Move = Tuple[Path, Path]


@export("distRepo")
def dist_repo(ctx: Context, tag: names.Info, keys: Sequence[str], **task_opts: Any) -> int:
    """Ask for a dist-repo of a tag; needs the permission `dist-repo`, or the policy dist_repo allows it.

    Args:
        ctx: the call.
        tag: the tag.
        keys: the signing keys.
        task_opts: the task's options (contract 9.4).

    Returns:
        The task's id.

    Raises:
        koji.ActionNotAllowed: neither permission nor policy.
        koji.GenericError: no such tag or volume, or an option of the wrong type.
    """
    if not ctx.has_permission("dist-repo"):
        policy.require(ctx, "dist_repo", {"tag": tag})
    found = tags.need_tag(ctx, tag)
    repo_id, event = init(ctx, found, keys, task_opts)
    if found["extra"].get("distrepo.cancel_others"):
        _cancel_others(ctx, tag)
    request = [tag, repo_id, keys, {**task_opts, "event": event}]
    return tasks.make_task(ctx, "distRepo", request, priority=REPO_PRIORITY, channel=REPO_CHANNEL)


def _cancel_others(ctx: Context, tag: names.Info) -> None:
    rows = [row for state in _UNDER_WAY for row in ctx.db.all("SELECT * FROM task WHERE state = ?", (state,))]
    for row in rows:
        if row["method"] == "distRepo" and tasks.request_of(row)[0] == tag:
            tasks.cancel(ctx, row["id"])


def init(ctx: Context, tag: Row, keys: Sequence[str], task_opts: Mapping[str, Any]) -> Tuple[int, int]:
    """Record a dist-repo in the state INIT and lay out its directory; errors as distRepo."""
    if not isinstance(keys, list):
        raise koji.ParameterError(f"Invalid type for value '{keys}': {type(keys)}, expected type {list}")
    volume: Optional[str] = None
    if task_opts.get("volume") is not None:
        volume = names.need(ctx, "volume", task_opts["volume"])["name"]
    event = int(task_opts.get("event") or ctx.event())
    now = time.time()
    repo_id = ctx.db.insert(
        "repo",
        create_event=event,
        creation_time=now,
        state_time=now,
        tag_id=tag["id"],
        state=repos.States["INIT"],
        dist=True,
        opts="null",
        custom_opts="null",
    )
    info = {"id": repo_id, "tag": tag["name"], "tag_id": tag["id"], "keys": keys, "volume": volume}
    _lay_out(ctx, tag, {**info, "task_opts": dict(task_opts)})
    return repo_id, event


def _lay_out(ctx: Context, tag: Row, info: Dict[str, Any]) -> None:
    paths, volume, asked = ctx.settings.pathinfo, info["volume"], info["task_opts"]
    home = Path(paths.distrepo(info["id"], tag["name"], volume=volume))
    for arch in {koji.canonArch(arch) for arch in asked["arch"]}:
        (home / arch).mkdir(parents=True)
    usual = Path(paths.distrepo(info["id"], tag["name"]))
    if home != usual:
        usual.parent.mkdir(parents=True, exist_ok=True)
        usual.symlink_to(os.path.relpath(home, usual.parent))
    if asked.get("comps"):
        (home / "groups").mkdir()
        shutil.copyfile(filing.uploaded(ctx, asked["comps"]), home / "groups" / "comps.xml")
    (home / "repo.json").write_text(json.dumps(info, indent=2), encoding="utf-8")


@export("host.distRepoMove")
def dist_repo_move(ctx: Context, repo_id: int, uploadpath: str, arch: str) -> None:
    """Put an arch that a builder has made in its place and link its rpms there.

    Args:
        ctx: the call.
        repo_id: the dist-repo, in the state INIT.
        uploadpath: where the builder has uploaded it, relative to the work directory.
        arch: of the repo.

    Raises:
        koji.GenericError: no such repo or arch, it is in another state, a file is missing, or what is said of an rpm is
            not what the hub knows.
    """
    ctx.host()
    repo = repos.need_repo(ctx, repo_id)
    place = repos.directory(ctx, repo) / koji.canonArch(arch)
    if not place.is_dir():
        raise koji.GenericError(f"Repo arch directory missing: {place}")
    if repo["state"] != repos.States["INIT"]:
        raise koji.GenericError(f"Repo is in state: {repos.States[repo['state']]}")
    manifest: List[str] = _uploaded_json(ctx, uploadpath, "repo_manifest", "Missing repo manifest")
    packages: Dict[str, Row] = _uploaded_json(ctx, uploadpath, "kojipkgs", "Missing kojipkgs file")
    moves = [(filing.uploaded(ctx, f"{uploadpath}/{relative}"), place / relative) for relative in manifest]
    links = [
        (_checked_path(ctx, name, rpm), place / "Packages" / name[0].lower() / name) for name, rpm in packages.items()
    ]
    for source, target in moves:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(str(source), str(target))
    for link in links:
        _link(*link)


def _uploaded_json(ctx: Context, directory: str, name: str, complaint: str) -> Any:
    path = Path(ctx.settings.pathinfo.work(), directory, name)
    if not path.is_file():
        raise koji.GenericError(complaint)
    return json.loads(path.read_text(encoding="utf-8"))


def _checked_path(ctx: Context, name: str, said: Row) -> Path:
    """The file of the copy that an entry of `kojipkgs` means."""
    known: Row = rpms.get_rpm(ctx, said["id"], strict=True)
    for key in _CHECKED:
        if key not in said or said[key] != known[key]:
            raise koji.GenericError(f"kojipkgs entry does not match db: file {name}, key {key}")
    home = builds.directory(ctx, builds.need_build(ctx, said["build_id"]))
    paths = ctx.settings.pathinfo
    return home / str(paths.signed(said, said["sigkey"]) if said["sigkey"] else paths.rpm(said))


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        raise koji.GenericError(f"File already in repo: {target}")
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.copy2(source, target)
