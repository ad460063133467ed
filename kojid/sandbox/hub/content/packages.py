# ruff: noqa: N803 - argument names are the ones that clients of a hub send as keywords
"""Which packages a tag lists: its own list, and those of the tags that it inherits from."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Optional, Tuple

import koji

from kojid.sandbox.hub import events, queries
from kojid.sandbox.hub.content import inheritance, names
from kojid.sandbox.hub.database import Row, equal
from kojid.sandbox.hub.kernel import Context, export

Listing = Dict[int, Row]
COLUMNS = (
    "package.id AS package_id, package.name AS package_name, tag.id AS tag_id, tag.name AS tag_name,"
    " listed.extra_arches, listed.blocked"
)


def listing(
    ctx: Context,
    tag_id: int,
    package_id: Optional[int] = None,
    event: Optional[int] = None,
    inherit: bool = True,
) -> Listing:
    """A tag's package list, blocked entries included: package id -> entry.

    Args:
        ctx: the call.
        tag_id: the tag.
        package_id: only this package.
        event: as it was then.
        inherit: follow the tag's parents; the nearest entry counts, a link's filter lets only names through that
            it matches from their start.
    """
    where: Dict[str, Any] = {"listed.tag_id": tag_id}
    if package_id is not None:
        where["package.id"] = package_id
    found = {row["package_id"]: row for row in _rows(ctx, where, event)}
    for link in inheritance.full(ctx, tag_id, event) if inherit else ():
        for row in _rows(ctx, {**where, "listed.tag_id": link["parent_id"]}, event):
            if all(re.match(pattern, row["package_name"]) for pattern in link["filter"]):
                found.setdefault(row["package_id"], row)
    return found


def _rows(ctx: Context, where: Mapping[str, Any], event: Optional[int], owners: bool = True) -> List[Row]:
    columns, tables = COLUMNS, "tag_packages AS listed"
    condition, params = equal(where)
    clauses = [events.at(event, "listed"), condition]
    if owners:
        columns += ", users.id AS owner_id, users.name AS owner_name"
        tables += (
            " JOIN tag_package_owners AS owned"
            " ON owned.tag_id = listed.tag_id AND owned.package_id = listed.package_id"
            " JOIN users ON users.id = owned.owner"
        )
        clauses.append(events.at(event, "owned"))
    tables += " JOIN tag ON tag.id = listed.tag_id JOIN package ON package.id = listed.package_id"
    return ctx.db.all(f"SELECT {columns} FROM {tables} WHERE {' AND '.join(clauses)}", params)


def refusal(ctx: Context, tag: Row, package: Row) -> Optional[str]:
    """Why a tag takes no builds of a package ({id, name} each), or None when it does."""
    entry = listing(ctx, tag["id"], package["id"]).get(package["id"])
    if entry is None:
        return f"Package {package['name']} not in list for {tag['name']}"
    return f"Package {package['name']} blocked in {tag['name']}" if entry["blocked"] else None


@export("getPackageConfig", reads=True)
def get_package_config(ctx: Context, tag: names.Info, pkg: names.Info, event: Optional[int] = None) -> Optional[Row]:
    """A package's entry in a tag's list, inherited or its own (contract 6.1, step 9); None without one."""
    found_tag, found = names.find(ctx, "tag", tag), names.find(ctx, "package", pkg)
    if found_tag is None or found is None:
        return None
    return listing(ctx, found_tag["id"], found["id"], event).get(found["id"])


@export("checkTagPackage", reads=True)
def check_tag_package(ctx: Context, tag: names.Info, pkg: names.Info) -> bool:
    """Whether a tag lists a package and does not block it."""
    entry = get_package_config(ctx, tag, pkg)
    return entry is not None and not entry["blocked"]


@export("getPackage", reads=True)
def get_package(ctx: Context, info: names.Info, strict: bool = False, create: bool = False) -> Optional[Row]:
    """A package's {id, name}.

    Raises:
        koji.GenericError: there is none and `strict`.
    """
    if create:
        raise koji.ParameterError("packages are created with packageListAdd")
    return names.find(ctx, "package", info, strict)


@export("getPackageID", reads=True)
def get_package_id(ctx: Context, name: names.Info, strict: bool = False) -> Optional[int]:
    """A package's id.

    Raises:
        koji.GenericError: there is none and `strict`.
    """
    found = names.find(ctx, "package", name)
    if found is None and strict:
        raise koji.GenericError(f"No such package name: {name}")
    return None if found is None else found["id"]


@export("listPackages", reads=True)
def list_packages(
    ctx: Context,
    tagID: Optional[names.Info] = None,
    userID: Optional[names.Info] = None,
    pkgID: Optional[names.Info] = None,
    prefix: Optional[str] = None,
    inherited: bool = False,
    with_dups: bool = False,
    event: Optional[int] = None,
    queryOpts: Optional[Mapping[str, Any]] = None,
    with_owners: bool = True,
    with_blocked: bool = True,
) -> Any:
    """Packages: all names that the hub knows, or the entries of package lists.

    Args:
        ctx: the call.
        tagID: only this tag's list.
        userID: only what this user owns.
        pkgID: only this package.
        prefix: only names that begin so, in upper or lower case.
        inherited: with tagID: what the tag inherits, too.
        with_dups: with tagID and inherited: also the entries that nearer ones hide.
        event: as it was then.
        queryOpts: order and limits.
        with_owners: whether entries come with owner_id and owner_name.
        with_blocked: whether blocked entries come along.

    Raises:
        koji.GenericError: no such tag, user or package.
    """
    if userID is not None and not with_owners:
        raise koji.GenericError("userID and with_owners=False can't be used together")
    if tagID is None and userID is None and pkgID is None:
        rows = ctx.db.all("SELECT id AS package_id, name AS package_name FROM package ORDER BY id")
    else:
        rows = _entries(ctx, (tagID, userID, pkgID), inherited, event, with_owners, with_dups)
        rows = [row for row in rows if with_blocked or not row["blocked"]]
    start = (prefix or "").lower()
    return queries.apply([row for row in rows if row["package_name"].lower().startswith(start)], queryOpts)


def _entries(
    ctx: Context,
    of: Tuple[Optional[names.Info], Optional[names.Info], Optional[names.Info]],
    inherited: bool,
    event: Optional[int],
    owners: bool,
    hidden: bool,
) -> List[Row]:
    """Entries of package lists, of a tag, an owner and a package as far as given; `hidden` ones only inherited."""
    where: Dict[str, Any] = {}
    for column, table, info in zip(("listed.tag_id", "users.id", "package.id"), ("tag", "users", "package"), of):
        if info is not None:
            where[column] = names.need(ctx, table, info)["id"]
    if not inherited or "listed.tag_id" not in where:
        return _rows(ctx, where, event, owners)
    tag_id = where["listed.tag_id"]
    if hidden:
        members = inheritance.lineage(ctx, tag_id, event)
        return [row for tag in members for row in _rows(ctx, {**where, "listed.tag_id": tag}, event, owners)]
    found = listing(ctx, tag_id, where.get("package.id"), event).values()
    kept = [row for row in found if row["owner_id"] == where.get("users.id", row["owner_id"])]
    return kept if owners else [_without_owner(row) for row in kept]


def _without_owner(row: Row) -> Row:
    return {key: value for key, value in row.items() if key not in ("owner_id", "owner_name")}
