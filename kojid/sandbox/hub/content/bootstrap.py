"""What the content half holds from its first start, and a quick way to take a whole distribution in.

`python -m kojid.sandbox.hub.content.bootstrap --dir DIR --tag TAG [--groups FILE] RPM ...` imports rpms without sending
them through the hub's calls: files are linked, not copied, where that is possible.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Set

import koji

from kojid.sandbox.hub import users
from kojid.sandbox.hub.content import groupedits, imports, names, packageedits, tagging, tags
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, Session


def seed(ctx: Context) -> None:
    """Put in the volume and the repository number that everything else refers to."""
    for table, name in (("volume", "DEFAULT"), ("external_repo", "INTERNAL")):
        ctx.db.execute(f"INSERT OR IGNORE INTO {table} (id, name) VALUES (0, ?)", (name,))


def import_distribution(
    ctx: Context, rpms: Iterable[Path], tag: names.Info, groups: Optional[Mapping[str, Sequence[str]]] = None
) -> List[str]:
    """Import rpms, list their packages in a tag, tag their builds and give the tag groups.

    What is there already is left as it is, so that this can be run again.

    Args:
        ctx: a call of an admin's session.
        rpms: binary and source rpms; the sources of all have to be among them or known to the hub.
        tag: the tag.
        groups: group name -> package names, e.g. of the group `build`.

    Returns:
        The NVRs of the builds.

    Raises:
        koji.GenericError: no such tag, an rpm that can't be imported, or another one of the same name is known.
    """
    ctx.require("admin")
    target = tags.need_tag(ctx, tag)
    found = [(path, imports.read(path)) for path in rpms]
    found.sort(key=lambda item: item[1]["arch"] != "src")  # builds are made from their SRPMs
    built: Dict[str, Row] = {}
    for path, rpm in found:
        build = imports.build_for(ctx, path, rpm)
        built[build["nvr"]] = build
        if not _known(ctx, rpm, build):
            imports.record(ctx, path, rpm, build, None)
        _link(path, imports.place(ctx, build, rpm))
    _tag(ctx, target, built.values())
    _add_groups(ctx, target, groups or {})
    return sorted(built)


def _known(ctx: Context, rpm: Row, build: Row) -> bool:
    return any(
        row["build_id"] == build["id"] and row["payloadhash"] == rpm["payloadhash"]
        for row in ctx.call("getRPM", rpm, multi=True)
    )


def _link(source: Path, target: Path) -> None:
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)


def _tag(ctx: Context, tag: Row, builds: Iterable[Row]) -> None:
    listed: Set[int] = set(
        ctx.db.values("SELECT build_id FROM tag_listing WHERE active = 1 AND tag_id = ?", (tag["id"],))
    )
    for build in builds:
        if build["id"] in listed:
            continue
        packageedits.set_entry(ctx, tag["id"], build["package_id"], ctx.user_id(), False, None)
        tagging.tag_build(ctx, tag, build, ctx.user_id())


def _add_groups(ctx: Context, tag: Row, groups: Mapping[str, Sequence[str]]) -> None:
    for name, packages in groups.items():
        groupedits.group_list_add(ctx, tag["id"], name)
        for package in packages:
            groupedits.group_package_list_add(ctx, tag["id"], name, package)


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Import a distribution into the hub of a sandbox; the hub may be running."""
    parser = argparse.ArgumentParser(prog="python -m kojid.sandbox.hub.content.bootstrap", description=__doc__)
    parser.add_argument("--dir", type=Path, required=True, help="the sandbox's directory")
    parser.add_argument("--tag", required=True, help="the tag that the builds go into; made when missing")
    parser.add_argument("--groups", type=Path, help="JSON: group name -> list of package names")
    parser.add_argument("rpms", nargs="+", type=Path, metavar="RPM")
    options = parser.parse_args(argv)
    groups = json.loads(options.groups.read_text(encoding="utf-8")) if options.groups else {}
    try:
        builds = _import(options.dir.resolve(), options.tag, options.rpms, groups)
    except koji.GenericError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print("\n".join(builds))
    return 0


def _import(directory: Path, tag: str, rpms: Sequence[Path], groups: Mapping[str, Sequence[str]]) -> List[str]:
    from kojid.sandbox.hub.kernel import Request
    from kojid.sandbox.hub.server import open_kernel
    from kojid.sandbox.hub.settings import Settings, parse

    kept = directory / "hub" / "settings.json"
    settings = parse(kept.read_text(encoding="utf-8")) if kept.exists() else Settings(dir=directory)
    kernel = open_kernel(settings)
    try:
        with kernel.transaction(Request(), method="import_distribution") as ctx:
            ctx.session = _administrator(ctx)
            if tags.get_tag(ctx, tag) is None:
                ctx.call("createTag", tag)
            return import_distribution(ctx, rpms, tag, groups)
    finally:
        kernel.store.close()


def _administrator(ctx: Context) -> Session:
    """A session of the first user who is an admin by the settings."""
    name = next(name for name, held in ctx.settings.users.items() if "admin" in held)
    user = users.find_user(ctx, name)
    return Session(0, user["id"], name, koji.AUTHTYPES["SSL"], permissions=["admin"])


if __name__ == "__main__":
    sys.exit(main())
