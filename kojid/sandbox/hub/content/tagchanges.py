"""When a tag changed: whether a repo of it is still what the tag would give (contract 5.6)."""

from __future__ import annotations

from typing import List, Optional, Sequence, Set

from kojid.sandbox.hub.content import externalrepos, inheritance, tags
from kojid.sandbox.hub.content.names import Info
from kojid.sandbox.hub.database import marks
from kojid.sandbox.hub.kernel import Context, export

TABLES = (
    "tag_listing",
    "tag_inheritance",
    "tag_config",
    "tag_packages",
    "tag_external_repos",
    "tag_extra",
    "group_package_listing",
    "group_req_listing",
    "group_config",
)


def note_update(ctx: Context, tag_id: int, kind: int) -> None:
    """Record that what a tag gives changed without a row of the tag itself (rpms imported into a tagged build)."""
    ctx.db.insert("tag_updates", tag_id=tag_id, update_event=ctx.event(), updater_id=ctx.user_id(), update_type=kind)


def _members(ctx: Context, tag: Info, event: Optional[int], inherit: bool) -> List[int]:
    tag_id = tags.need_tag(ctx, tag, "auto")["id"]
    return inheritance.lineage(ctx, tag_id, event) if inherit else [tag_id]


def _marks(ctx: Context, members: Sequence[int], event: Optional[int]) -> str:
    """SQL that yields, as `event`, every event that changed one of the tags or an external repository of theirs."""
    repos: Set[int] = set()
    for member in members:
        listed = externalrepos.get_tag_external_repos(ctx, member, event=event)
        repos.update(row["external_repo_id"] for row in listed)
    # The ids are this database's own numbers.
    tag_list, repo_list = (", ".join(str(int(number)) for number in ids) for ids in (members, sorted(repos)))
    parts = [f"SELECT update_event AS event FROM tag_updates WHERE tag_id IN ({tag_list})"]
    for column in ("create_event", "revoke_event"):
        parts += [f"SELECT {column} FROM {table} WHERE tag_id IN ({tag_list})" for table in TABLES]
        parts.append(f"SELECT {column} FROM external_repo_config WHERE external_repo_id IN ({repo_list})")
    return " UNION ".join(parts)


@export("tagLastChangeEvent", reads=True)
def tag_last_change_event(ctx: Context, tag: Info, before: Optional[int] = None, inherit: bool = True) -> Optional[int]:
    """The newest event that changed what a tag gives, or the newest before an event; None if there is none.

    Raises:
        koji.GenericError: there was never such a tag.
    """
    found = _marks(ctx, _members(ctx, tag, before, inherit), before)
    limit = "event IS NOT NULL" if before is None else f"event < {int(before)}"
    event: Optional[int] = ctx.db.value(f"SELECT max(event) FROM ({found}) WHERE {limit}")
    return event


@export("tagFirstChangeEvent", reads=True)
def tag_first_change_event(ctx: Context, tag: Info, after: Optional[int] = None, inherit: bool = True) -> Optional[int]:
    """The first event that changed what a tag gives, or the first after an event; None if it is unchanged since.

    Raises:
        koji.GenericError: there was never such a tag.
    """
    found = _marks(ctx, _members(ctx, tag, after, inherit), after)
    limit = "event IS NOT NULL" if after is None else f"event > {int(after)}"
    event: Optional[int] = ctx.db.value(f"SELECT min(event) FROM ({found}) WHERE {limit}")
    return event


@export("tagChangedSinceEvent", reads=True)
def tag_changed_since_event(ctx: Context, event: int, taglist: Sequence[int]) -> bool:
    """Whether any of these tags (no inheritance) changed after an event."""
    members = ctx.db.values(f"SELECT id FROM tag WHERE id IN ({marks(taglist)})", list(taglist))
    found = _marks(ctx, members, None)
    return bool(ctx.db.value(f"SELECT count(*) FROM ({found}) WHERE event > {int(event)}"))
