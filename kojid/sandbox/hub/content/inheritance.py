"""What a tag inherits: its direct parents, and the whole walk through theirs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Mapping, Optional, Set, Tuple, Union

import koji

from kojid.sandbox.hub import events
from kojid.sandbox.hub.content import names
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export

FIELDS = ("parent_id", "priority", "maxdepth", "intransitive", "noconfig", "pkg_filter")


def parents(ctx: Context, tag_id: int, event: Optional[int] = None) -> List[Row]:
    """The direct parents of a tag, most important (lowest priority number) first."""
    return ctx.db.all(
        "SELECT link.parent_id, tag.name, link.priority, link.maxdepth, link.intransitive, link.noconfig,"
        " link.pkg_filter, link.tag_id AS child_id"
        " FROM tag_inheritance AS link JOIN tag ON tag.id = link.parent_id"
        f" WHERE link.tag_id = ? AND {events.at(event, 'link')} ORDER BY link.priority",
        (tag_id,),
    )


def _children(ctx: Context, tag_id: int, event: Optional[int]) -> List[Row]:
    return ctx.db.all(
        "SELECT link.tag_id, link.parent_id, tag.name, link.priority, link.maxdepth, link.intransitive,"
        " link.noconfig, link.pkg_filter"
        " FROM tag_inheritance AS link JOIN tag ON tag.id = link.tag_id"
        f" WHERE link.parent_id = ? AND {events.at(event, 'link')} ORDER BY link.priority",
        (tag_id,),
    )


@dataclass
class _Walk:
    """A walk upwards through the parents (or downwards with `reverse`), depth first, in order of priority."""

    ctx: Context
    event: Optional[int]
    reverse: bool = False
    links: List[Row] = field(default_factory=list)
    reached: Dict[int, List[Row]] = field(default_factory=dict)

    def visit(self, tag_id: int, path: Tuple[int, ...], depth: Optional[int], config: bool, filters: List[str]) -> None:
        """Follow the links of one tag.

        Args:
            tag_id: the tag whose links are next.
            path: the tags from the root to it, it included; a link back to one of them is a loop and is cut.
            depth: how many generations may still follow, None without a limit.
            config: whether configuration is still inherited on this path.
            filters: the package filters of the path.
        """
        if depth is not None and depth < 1:
            return
        read = _children if self.reverse else parents
        for link in read(self.ctx, tag_id, self.event):
            other = link["tag_id" if self.reverse else "parent_id"]
            if other in path or not self._passable(link, len(path)):
                continue
            configured = config and not link["noconfig"]
            own = [*filters, link["pkg_filter"]] if link["pkg_filter"] else list(filters)
            below = None if self.reverse else _depth_below(link["maxdepth"], depth)
            link.update(nextdepth=below, currdepth=len(path), filter=own)
            if self._covered(other, below, configured):
                continue
            self.reached.setdefault(other, []).append(link)
            self.links.append(link)
            if not (self.reverse and link["intransitive"]):
                self.visit(other, (*path, other), below, configured, own)

    def _passable(self, link: Row, currdepth: int) -> bool:
        if self.reverse:
            return link["maxdepth"] is None or link["maxdepth"] >= currdepth - 1
        return currdepth == 1 or not link["intransitive"]

    def _covered(self, tag_id: int, depth: Optional[int], config: bool) -> bool:
        """Whether an earlier visit to the tag already gave all that this one could."""
        for earlier in self.reached.get(tag_id, ()):
            deep_enough = earlier["nextdepth"] is None or (depth is not None and earlier["nextdepth"] >= depth)
            if deep_enough and not earlier["filter"] and not (earlier["noconfig"] and config):
                return True
        return False


def _depth_below(own: Optional[int], left: Optional[int]) -> Optional[int]:
    if left is None:
        return own
    return left - 1 if own is None else min(own, left) - 1


def full(ctx: Context, tag_id: int, event: Optional[int] = None, reverse: bool = False) -> List[Row]:
    """The links of a tag's whole inheritance in the order in which they count.

    Returns:
        The rows of `parents`, with currdepth (1 for direct parents), nextdepth and filter (the patterns that a
        package's name has to match all of).
    """
    walk = _Walk(ctx, event, reverse)
    walk.visit(tag_id, (tag_id,), None, True, [])
    return walk.links


def lineage(ctx: Context, tag_id: int, event: Optional[int] = None) -> List[int]:
    """The tag and all that it inherits from, in the order in which they count, each once."""
    return list(dict.fromkeys([tag_id, *(link["parent_id"] for link in full(ctx, tag_id, event))]))


def write(ctx: Context, tag_id: int, changes: Iterable[Mapping[str, Any]], clear: bool = False) -> None:
    """Add, change and delete links of a tag to its parents.

    Args:
        ctx: the call.
        tag_id: the child.
        changes: links with all of `FIELDS`, or `parent_id` and a true `delete link`.
        clear: drop the parents that are not named.

    Raises:
        koji.GenericError: a link lacks a field, a parent does not exist, two would have the same priority.
    """
    now = {link["parent_id"]: {name: link[name] for name in FIELDS} for link in parents(ctx, tag_id)}
    then: Dict[int, Mapping[str, Any]] = {} if clear else dict(now)
    for change in changes:
        _check(ctx, change)
        then.pop(change["parent_id"], None)
        if not change.get("delete link"):
            then[change["parent_id"]] = {name: change[name] for name in FIELDS}
    _check_priorities(tag_id, then.values())
    for parent_id in [key for key in now if now[key] != then.get(key)]:
        events.revoke(ctx, "tag_inheritance", tag_id=tag_id, parent_id=parent_id)
    for parent_id, link in then.items():
        if link != now.get(parent_id):
            events.add(ctx, "tag_inheritance", tag_id=tag_id, **link)


def _check(ctx: Context, change: Mapping[str, Any]) -> None:
    for name in ("parent_id",) if change.get("delete link") else FIELDS:
        if name not in change:
            raise koji.GenericError(f"No value for {name}")
    names.need(ctx, "tag", change["parent_id"])


def _check_priorities(tag_id: int, links: Iterable[Mapping[str, Any]]) -> None:
    seen: Set[int] = set()
    for link in links:
        if link["priority"] in seen:
            same = [other["parent_id"] for other in links if other["priority"] == link["priority"]]
            raise koji.GenericError(
                f"Multiple parent tags ({same!r}) cannot have the same priority value ({link['priority']})"
                f" on child tag {tag_id}"
            )
        seen.add(link["priority"])


@export("getInheritanceData", reads=True)
def get_inheritance_data(ctx: Context, tag: names.Info, event: Optional[int] = None) -> List[Row]:
    """The direct parents of a tag."""
    return parents(ctx, names.need(ctx, "tag", tag)["id"], event)


@export("getFullInheritance", reads=True)
def get_full_inheritance(
    ctx: Context, tag: names.Info, event: Optional[int] = None, reverse: bool = False
) -> List[Row]:
    """The whole inheritance of a tag (contract 12), or with `reverse` all that inherit from it."""
    tag_id = tag if isinstance(tag, int) else names.need(ctx, "tag", tag)["id"]
    return full(ctx, tag_id, event, reverse)


@export("setInheritanceData")
def set_inheritance_data(
    ctx: Context, tag: names.Info, data: Union[Mapping[str, Any], List[Mapping[str, Any]]], clear: bool = False
) -> None:
    """Change a tag's direct parents; needs the permission `tag`."""
    ctx.require("tag")
    changes = [data] if isinstance(data, Mapping) else list(data)
    write(ctx, names.need(ctx, "tag", tag)["id"], changes, clear)
