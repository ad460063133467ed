"""External repositories: packages from elsewhere that a tag's repos are merged with (contract 9.3)."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import koji

from kojid.sandbox.hub import events, queries
from kojid.sandbox.hub.content import inheritance, names
from kojid.sandbox.hub.database import Row, equal
from kojid.sandbox.hub.kernel import Context, export

MERGE_MODES = koji.REPO_MERGE_MODES


@export("listExternalRepos", reads=True)
def list_external_repos(
    ctx: Context,
    info: Optional[names.Info] = None,
    url: Optional[str] = None,
    event: Optional[int] = None,
    queryOpts: queries.QueryOpts = None,  # noqa: N803
) -> Any:
    """External repositories ({id, name, url}), all or those of a name, id or URL."""
    where: Dict[str, Any] = {} if url is None else {"config.url": url}
    if info is not None:
        column, value = next(iter(names.by(info).items()))
        where[f"repo.{column}"] = value
    condition, params = equal(where)
    rows = ctx.db.all(
        "SELECT repo.id, repo.name, config.url FROM external_repo AS repo"
        " JOIN external_repo_config AS config ON config.external_repo_id = repo.id"
        f" WHERE {events.at(event, 'config')} AND {condition} ORDER BY repo.id",
        params,
    )
    return queries.apply(rows, queryOpts)


@export("getExternalRepo", reads=True)
def get_external_repo(
    ctx: Context, info: names.Info, strict: bool = False, event: Optional[int] = None
) -> Optional[Row]:
    """One external repository; None without one.

    Raises:
        koji.GenericError: there is none and `strict`.
    """
    found: List[Row] = list_external_repos(ctx, info, event=event)
    if not found and strict:
        raise koji.GenericError(f"No such repo: {info}")
    return found[0] if found else None


def _need(ctx: Context, info: names.Info) -> Row:
    found = get_external_repo(ctx, info, strict=True)
    assert found is not None
    return found


@export("createExternalRepo")
def create_external_repo(ctx: Context, name: str, url: str) -> Row:
    """Make an external repository; needs the permission `tag`.

    Args:
        ctx: the call.
        name: its name.
        url: where its repodata lies; `$arch` stands for the architecture.

    Raises:
        koji.GenericError: there is one of that name.
    """
    ctx.require("tag")
    if get_external_repo(ctx, names.check(name)):
        raise koji.GenericError(f'An external repo named "{name}" already exists')
    repo = names.need(ctx, "external_repo", name, create=True)
    url = url if url.endswith("/") else f"{url}/"
    events.add(ctx, "external_repo_config", external_repo_id=repo["id"], url=url)
    return {"id": repo["id"], "name": name, "url": url}


@export("editExternalRepo")
def edit_external_repo(ctx: Context, info: names.Info, name: Optional[str] = None, url: Optional[str] = None) -> None:
    """Change an external repository's name or URL; needs the permission `tag`.

    Raises:
        koji.GenericError: there is none, or the new name is taken.
    """
    ctx.require("tag")
    repo = _need(ctx, info)
    if name and name != repo["name"]:
        if names.find(ctx, "external_repo", names.check(name)):
            raise koji.GenericError(f'name "{name}" is already taken by external repo')
        ctx.db.update("external_repo", {"id": repo["id"]}, name=name)
    if url:
        url = url if url.endswith("/") else f"{url}/"
        events.replace(ctx, "external_repo_config", {"external_repo_id": repo["id"]}, url=url)


@export("deleteExternalRepo")
def delete_external_repo(ctx: Context, info: names.Info) -> None:
    """Delete an external repository and take it out of all tags; needs the permission `tag`.

    Raises:
        koji.GenericError: there is none.
    """
    ctx.require("tag")
    repo_id = _need(ctx, info)["id"]
    for table in ("tag_external_repos", "external_repo_config"):
        events.revoke(ctx, table, external_repo_id=repo_id)


@export("getTagExternalRepos", reads=True)
def get_tag_external_repos(
    ctx: Context,
    tag_info: Optional[names.Info] = None,
    repo_info: Optional[names.Info] = None,
    event: Optional[int] = None,
) -> List[Row]:
    """Which tag has which external repository itself, most important first.

    Raises:
        koji.GenericError: no such tag or repository.
    """
    where: Dict[str, Any] = {}
    if tag_info is not None:
        where["listed.tag_id"] = names.need(ctx, "tag", tag_info)["id"]
    if repo_info is not None:
        where["repo.id"] = _need(ctx, repo_info)["id"]
    condition, params = equal(where)
    return ctx.db.all(
        "SELECT repo.id AS external_repo_id, repo.name AS external_repo_name, listed.priority, tag.id AS tag_id,"
        " tag.name AS tag_name, config.url, listed.merge_mode, listed.arches FROM tag_external_repos AS listed"
        " JOIN external_repo AS repo ON repo.id = listed.external_repo_id"
        " JOIN external_repo_config AS config ON config.external_repo_id = repo.id"
        " JOIN tag ON tag.id = listed.tag_id"
        f" WHERE {events.at(event, 'listed')} AND {events.at(event, 'config')} AND {condition}"
        " ORDER BY listed.priority",
        params,
    )


@export("getExternalRepoList", reads=True)
def get_external_repo_list(ctx: Context, tag_info: names.Info, event: Optional[int] = None) -> List[Row]:
    """The external repositories of a tag and of all that it inherits from, in order, each once (contract 9.3).

    Raises:
        koji.GenericError: no such tag.
    """
    tag_id = ctx.call("getTag", tag_info, strict=True, event=event)["id"]
    found: Dict[int, Row] = {}
    for member in inheritance.lineage(ctx, tag_id, event):
        for row in get_tag_external_repos(ctx, member, event=event):
            found.setdefault(row["external_repo_id"], row)
    return list(found.values())


@export("addExternalRepoToTag")
def add_external_repo_to_tag(
    ctx: Context,
    tag_info: names.Info,
    repo_info: names.Info,
    priority: int,
    merge_mode: str = "koji",
    arches: Optional[str] = None,
) -> None:
    """Give a tag an external repository; needs the permission `tag`.

    Args:
        ctx: the call.
        tag_info: the tag.
        repo_info: the repository.
        priority: its place among the tag's; lower comes first.
        merge_mode: koji, simple or bare (contract 9.3).
        arches: the only architectures that get it, separated by spaces.

    Raises:
        koji.GenericError: no such tag or repository, unknown merge mode, or the tag has it or its priority already.
    """
    ctx.require("tag")
    if merge_mode not in MERGE_MODES:
        raise koji.GenericError(f"No such merge mode: {merge_mode}")
    tag, repo = names.need(ctx, "tag", tag_info), _need(ctx, repo_info)
    for row in get_tag_external_repos(ctx, tag["id"]):
        if row["external_repo_id"] == repo["id"]:
            raise koji.GenericError(f"Tag {tag['name']} already associated with external repo {repo['name']}")
        if row["priority"] == int(priority):
            raise koji.GenericError(f"tag {tag['name']} already has external repo at priority {priority}")
    values = {"priority": int(priority), "merge_mode": merge_mode, "arches": names.arches(arches)}
    events.add(ctx, "tag_external_repos", tag_id=tag["id"], external_repo_id=repo["id"], **values)


@export("editTagExternalRepo")
def edit_tag_external_repo(
    ctx: Context,
    tag_info: names.Info,
    repo_info: names.Info,
    priority: Optional[int] = None,
    merge_mode: Optional[str] = None,
    arches: Optional[str] = None,
) -> bool:
    """Change how a tag has an external repository; needs the permission `tag`.

    Args:
        ctx: the call.
        tag_info: the tag.
        repo_info: the repository.
        priority, merge_mode, arches: as in addExternalRepoToTag; what is None stays as it is.

    Returns:
        Whether anything is different now.

    Raises:
        koji.GenericError: no such tag or repository, the tag has not got it, or as addExternalRepoToTag.
    """
    ctx.require("tag")
    tag, repo = names.need(ctx, "tag", tag_info), _need(ctx, repo_info)
    found = get_tag_external_repos(ctx, tag["id"], repo["id"])
    if not found:
        raise koji.GenericError(f"external repo {repo['name']} not associated with tag {tag['name']}")
    present = {name: found[0][name] for name in ("priority", "merge_mode", "arches")}
    asked = {"priority": priority, "merge_mode": merge_mode, "arches": arches}
    wanted = {**present, **{name: value for name, value in asked.items() if value is not None}}
    if wanted == present:
        return False
    remove_external_repo_from_tag(ctx, tag["id"], repo["id"])
    add_external_repo_to_tag(ctx, tag["id"], repo["id"], **wanted)
    return True


@export("removeExternalRepoFromTag")
def remove_external_repo_from_tag(ctx: Context, tag_info: names.Info, repo_info: names.Info) -> None:
    """Take an external repository from a tag; needs the permission `tag`.

    Raises:
        koji.GenericError: no such tag or repository, or the tag has not got it.
    """
    ctx.require("tag")
    tag, repo = names.need(ctx, "tag", tag_info), _need(ctx, repo_info)
    if not events.revoke(ctx, "tag_external_repos", tag_id=tag["id"], external_repo_id=repo["id"]):
        raise koji.GenericError(f"external repo {repo['name']} not associated with tag {tag['name']}")
