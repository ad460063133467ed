"""What a `build` task was asked for: its options checked, its tags found, its policy data put together.

Contract 6.1, steps 1 to 5.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Dict, Optional

import koji


@dataclass(frozen=True)
class BuildTags:
    """Where a build comes from and goes to.

    Args:
        build_tag: id of the tag whose repository it is built with.
        dest_tag: id of the tag that the package list is taken from and that the build goes to.
        dest_name: its name.
        target: name of the build target, None when the destination was given as a tag or not at all.
        skip_tag: whether it is not to be tagged.
    """

    build_tag: int
    dest_tag: int
    dest_name: str
    target: Optional[str]
    skip_tag: bool


def check_options(src: Any, opts: Dict[str, Any]) -> None:
    """Refuse what no hub could make sense of; raises koji.BuildError with the reason."""
    if not isinstance(src, str):
        raise koji.BuildError(f"Invalid source specification: {src}")
    if opts.get("arch_override") and not opts.get("scratch"):
        raise koji.BuildError("arch_override is only allowed for scratch builds")
    check_metadata(opts)


def check_metadata(opts: Dict[str, Any]) -> None:
    """Refuse user metadata that a hub can't keep; raises koji.BuildError."""
    metadata = opts.get("custom_user_metadata")
    if not metadata:
        return
    if not isinstance(metadata, dict):
        raise koji.BuildError("custom_user_metadata must be serializable to a JSON object")
    try:
        json.dumps(metadata)
    except TypeError as error:
        raise koji.BuildError("custom_user_metadata is not JSON serializable") from error


def requested_repo(session: Any, opts: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    """The repository that the options name, None if they name none.

    Raises:
        koji.BuildError: there is no such one, or it is neither ready nor expired.
    """
    if opts.get("repo_id") is None:
        return None
    repo: Optional[Dict[str, Any]] = session.repoInfo(opts["repo_id"])
    if not repo:
        raise koji.BuildError(f"No such repo: {opts['repo_id']}")
    state = koji.REPO_STATES[repo["state"]]
    if state not in ("READY", "EXPIRED"):
        raise koji.BuildError(f"Bad repo: {repo['id']} ({state})")
    return repo


def find_tags(session: Any, target: Optional[str], repo: Optional[Dict[str, Any]], opts: Dict[str, Any]) -> BuildTags:
    """The tags of a build.

    Args:
        session: the hub.
        target: name of a build target; with a repository also that of a destination tag, or None.
        repo: the repository that the options name.
        opts: the build's options.

    Raises:
        koji.GenericError: neither a target nor a tag has this name.
        koji.BuildError: the repository is not one of the target's build tag.
    """
    event = repo["create_event"] if repo else None
    info = session.getBuildTarget(target, event=event) if target else None
    if info:
        if repo and repo["tag_id"] != info["build_tag"]:
            raise koji.BuildError(f"Repo/Target mismatch: {repo['tag_name']}/{info['build_tag_name']}")
        return BuildTags(
            info["build_tag"], info["dest_tag"], info["dest_tag_name"], info["name"], bool(opts.get("skip_tag"))
        )
    if repo is None:
        raise koji.GenericError(f"unknown build target: {target}")
    if target is None:
        # The repository's own tag tells which packages there are, but nothing is to be put into it.
        return BuildTags(repo["tag_id"], repo["tag_id"], repo["tag_name"], None, skip_tag=True)
    tag = session.getTag(target, event=event)
    if not tag:
        raise koji.GenericError(f"neither tag nor target: {target}")
    return BuildTags(repo["tag_id"], tag["id"], tag["name"], None, bool(opts.get("skip_tag")))


def policy_data(
    task: Dict[str, Any], src: str, tags: BuildTags, opts: Dict[str, Any], *, from_scm: bool
) -> Dict[str, Any]:
    """What the hub's build policies are asked with.

    Args:
        task: the build task.
        src: its source.
        tags: where it goes.
        opts: its options.
        from_scm: whether the source is in version control.
    """
    data = {
        "user_id": task["owner"],
        "source": src,
        "task_id": task["id"],
        "build_tag": tags.build_tag,
        "skip_tag": tags.skip_tag,
        "scratch": opts.get("scratch"),
        "draft": opts.get("draft"),
        "from_scm": from_scm,
        "repo_id": opts.get("repo_id"),
    }
    if tags.target is not None:
        data["target"] = tags.target
    if not tags.skip_tag:
        data["tag"] = tags.dest_tag
    return data
