"""A tag's package groups (build, srpm-build, ...): what a buildroot is filled with, written to a repo's comps."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from kojid.sandbox.hub import events
from kojid.sandbox.hub.content import inheritance, names
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export

GROUP_COLUMNS = (
    "groups.name, config.group_id, config.tag_id, config.blocked, config.exported, config.display_name,"
    " config.is_default, config.uservisible, config.description, config.langonly, config.biarchonly"
)
PACKAGE_COLUMNS = "group_id, tag_id, package, blocked, type, basearchonly, requires"
REQUIRED_COLUMNS = (
    "listed.group_id, listed.tag_id, listed.req_id, listed.blocked, listed.type, listed.is_metapkg, groups.name"
)


def read(
    ctx: Context,
    tag_id: int,
    event: Optional[int] = None,
    inherit: bool = True,
    packages: bool = True,
    required: bool = True,
) -> Dict[int, Row]:
    """A tag's groups, blocked ones included: group id -> group.

    The nearest tag that has a group gives its settings; its packages (`packagelist`, by name) and the groups that it
    needs (`grouplist`, by id) come from the whole inheritance, the nearest entry of each counting.
    """
    tag_ids = inheritance.lineage(ctx, tag_id, event) if inherit else [tag_id]
    found: Dict[int, Row] = {}
    for member in tag_ids:
        for row in _groups(ctx, member, event):
            found.setdefault(row["group_id"], row)
    for group in found.values():
        group.update({"packagelist": {}} if packages else {}, **({"grouplist": {}} if required else {}))
    for member in tag_ids:
        for row in _packages(ctx, member, event) if packages else ():
            if _open(found, row["group_id"]):
                found[row["group_id"]]["packagelist"].setdefault(row["package"], row)
        for row in _required(ctx, member, event) if required else ():
            if _open(found, row["group_id"]) and _open(found, row["req_id"]):
                found[row["group_id"]]["grouplist"].setdefault(row["req_id"], row)
    return found


def _open(groups: Dict[int, Row], group_id: int) -> bool:
    return group_id in groups and not groups[group_id]["blocked"]


def _groups(ctx: Context, tag_id: int, event: Optional[int]) -> List[Row]:
    return ctx.db.all(
        f"SELECT {GROUP_COLUMNS} FROM group_config AS config JOIN groups ON groups.id = config.group_id"
        f" WHERE config.tag_id = ? AND {events.at(event, 'config')}",
        (tag_id,),
    )


def _packages(ctx: Context, tag_id: int, event: Optional[int]) -> List[Row]:
    return ctx.db.all(
        f"SELECT {PACKAGE_COLUMNS} FROM group_package_listing WHERE tag_id = ? AND {events.at(event)}", (tag_id,)
    )


def _required(ctx: Context, tag_id: int, event: Optional[int]) -> List[Row]:
    return ctx.db.all(
        f"SELECT {REQUIRED_COLUMNS} FROM group_req_listing AS listed JOIN groups ON groups.id = listed.req_id"
        f" WHERE listed.tag_id = ? AND {events.at(event, 'listed')}",
        (tag_id,),
    )


@export("getTagGroups", reads=True)
def get_tag_groups(
    ctx: Context,
    tag: names.Info,
    event: Optional[int] = None,
    inherit: bool = True,
    incl_pkgs: bool = True,
    incl_reqs: bool = True,
    incl_blocked: bool = False,
) -> List[Row]:
    """A tag's groups as lists, without what is blocked unless asked for.

    Raises:
        koji.GenericError: no such tag.
    """
    found = read(ctx, names.need(ctx, "tag", tag)["id"], event, inherit, incl_pkgs, incl_reqs).values()
    return [_flat(group, incl_blocked) for group in found if incl_blocked or not group["blocked"]]


def _flat(group: Row, blocked: bool) -> Row:
    flat: Dict[str, Any] = dict(group)
    for key in ("packagelist", "grouplist"):
        if key in flat:
            flat[key] = [row for row in flat[key].values() if blocked or not row["blocked"]]
    return flat
