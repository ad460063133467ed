"""Beginning a repo: its row, and the files that a builder makes repodata from (contract 9.1, 9.2)."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import IO, Any, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple, Union

import koji

from kojid.sandbox.hub import releases
from kojid.sandbox.hub.content import groups, maventags, names, packages, repos, tagchanges, tagged, tags
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export

TOPLINK = "toplink"


@export("host.repoInit")
def host_repo_init(
    ctx: Context,
    tag: names.Info,
    task_id: Optional[int] = None,
    event: Union[int, bool, None] = None,
    opts: Union[Mapping[str, Any], bool, int, None] = None,
    *older: Any,
    **kwargs: Any,
) -> Tuple[int, int]:
    """Begin a repo of a tag.

    Both forms of the call are understood (contract 9.2, step 3): the present one, and that of builders up to 1.34,
    `repoInit(tag, task_id, with_src, with_debuginfo, event, with_separate_src)` with positions or keywords.

    Args:
        ctx: the call.
        tag: the tag.
        task_id: the task that makes the repo.
        event: the event to make it from; now when None.
        opts: src, debuginfo, separate_src where they differ from the tag's.
        older: the last two positions of the older form.
        kwargs: with_src, with_debuginfo, with_separate_src of the older form.

    Returns:
        The repo's id and the event that it is made from.

    Raises:
        koji.ActionNotAllowed: the task is not open on the calling host.
        koji.GenericError: no such tag or event, or unknown options.
    """
    ctx.host()
    if isinstance(event, bool) or isinstance(opts, bool) or older:
        kwargs = {**_by_position(event, opts, *older), **kwargs}
        event, opts = kwargs.pop("event", None), None
    unknown = sorted(set(kwargs) - {"with_src", "with_debuginfo", "with_separate_src"})
    if unknown:
        raise koji.ParameterError(f"repoInit: unexpected keyword argument {unknown[0]!r}")
    asked: Any = {key[len("with_") :]: value for key, value in kwargs.items()} or opts
    if task_id is not None:
        ctx.owned_task(task_id)
    return init(ctx, tags.need_tag(ctx, tag, event), task_id, event, asked)


def _by_position(*values: Any) -> Dict[str, Any]:
    return dict(zip(("with_src", "with_debuginfo", "event", "with_separate_src"), values))


def init(ctx: Context, tag: Row, task_id: Optional[int], event: Optional[int], asked: Any) -> Tuple[int, int]:
    """Record a repo in the state INIT and write its directory; arguments and errors as host.repoInit."""
    opts, custom = repos.effective_options(tag, asked)
    create_event = ctx.event() if event is None else int(ctx.call("getEvent", event)["id"])
    now = time.time()
    repo_id = ctx.db.insert(
        "repo",
        create_event=create_event,
        begin_event=tagchanges.tag_last_change_event(ctx, tag["id"], before=create_event) or create_event,
        end_event=tagchanges.tag_first_change_event(ctx, tag["id"], after=create_event),
        creation_time=now,
        state_time=now,
        tag_id=tag["id"],
        state=repos.States["INIT"],
        opts=json.dumps(opts),
        custom_opts=json.dumps(custom),
        task_id=task_id,
    )
    Layout(ctx, tag, repos.need_repo(ctx, repo_id)).write()
    return repo_id, create_event


class Layout:
    """The files of a new repo.

    Args:
        ctx: the call.
        tag: its tag, as it was at the repo's event.
        repo: its row.
    """

    def __init__(self, ctx: Context, tag: Row, repo: Row) -> None:
        self.ctx, self.tag, self.repo = ctx, tag, repo
        self.event: int = repo["create_event"]
        self.opts: Dict[str, bool] = repo["opts"]
        self.directory = repos.directory(ctx, repo)
        named = {koji.canonArch(arch) for arch in (tag["arches"] or "").split()}
        self.arches: List[str] = sorted(named - {"src", "noarch"}) + (["src"] if self.opts["separate_src"] else [])

    def write(self) -> None:
        """Write repo.json, the groups, Maven's tree; per architecture pkglist, rpmlist.jsonl, blocklist, toplink."""
        self.directory.mkdir(parents=True)
        self._write_info()
        self._write_groups()
        listed = packages.listing(self.ctx, self.tag["id"], None, self.event).values()
        blocked = "".join(f"{entry['package_name']}\n" for entry in listed if entry["blocked"])
        for arch in self.arches:
            home = self.directory / arch
            home.mkdir()
            (home / TOPLINK).symlink_to(os.path.relpath(self.ctx.settings.topdir, home))
            (home / "blocklist").write_text(blocked, encoding="utf-8")
        self._write_rpms()
        if self.opts["maven"]:
            maventags.write(self.ctx, self.tag["id"], self.event, self.directory / "maven")

    def _write_info(self) -> None:
        info = {
            "id": self.repo["id"],
            "tag": self.tag["name"],
            "tag_id": self.tag["id"],
            "task_id": self.repo["task_id"],
            "event_id": self.event,
            "with_src": self.opts["src"],
            "with_separate_src": self.opts["separate_src"],
            "with_debuginfo": self.opts["debuginfo"],
        }
        if releases.has(self.ctx.settings.version, releases.REPO_OPTIONS):
            info.update(opts=self.opts, custom_opts=self.repo["custom_opts"])
        (self.directory / "repo.json").write_text(json.dumps(info, indent=2), encoding="utf-8")

    def _write_groups(self) -> None:
        found = groups.get_tag_groups(self.ctx, self.tag["id"], event=self.event)
        target = self.directory / "groups" / "comps.xml"
        target.parent.mkdir()
        target.write_text(koji.generate_comps(found, expand_groups=True), encoding="utf-8")

    def _write_rpms(self) -> None:
        latest = not self.tag["extra"].get("repo_include_all", False)
        builds = tagged.builds_in(self.ctx, self.tag["id"], self.event, inherit=True, latest=latest)
        # Paths begin with the link to the topdir, so that createrepo run in the repo's directory finds them.
        paths = koji.PathInfo(topdir=TOPLINK)
        homes = {build["id"]: str(paths.build(build)).lstrip("/") for build in builds}
        with self._lists() as lists:
            for rpm in tagged.rpms_of(self.ctx, builds):
                if koji.is_debuginfo(rpm["name"]) and not self.opts["debuginfo"]:
                    continue
                for arch in self._places(rpm["arch"]):
                    pkglist, rpmlist = lists[arch]
                    pkglist.write(f"{homes[rpm['build_id']]}/{paths.rpm(rpm)}\n")
                    rpmlist.write(json.dumps(rpm) + "\n")

    def _places(self, arch: str) -> Sequence[str]:
        """The repo's architectures that an rpm of an architecture goes to."""
        if arch == "src":
            chosen: Set[str] = set(self.arches) if self.opts["src"] else set()
            return sorted(chosen | ({"src"} if self.opts["separate_src"] else set()))
        if arch == "noarch":
            return [name for name in self.arches if name != "src"]
        canonical = koji.canonArch(arch)
        return [canonical] if canonical in self.arches else []

    @contextlib.contextmanager
    def _lists(self) -> Iterator[Dict[str, Tuple[IO[str], IO[str]]]]:
        with contextlib.ExitStack() as stack:

            def opened(path: Path) -> IO[str]:
                return stack.enter_context(path.open("w", encoding="utf-8"))

            homes = {arch: self.directory / arch for arch in self.arches}
            listed = releases.has(self.ctx.settings.version, releases.RPM_LISTS)
            yield {
                arch: (opened(home / "pkglist"), opened(home / "rpmlist.jsonl" if listed else Path(os.devnull)))
                for arch, home in homes.items()
            }
