"""Which buildroot it is: the repo, tag and arch it is made from, checked before the hub is told (contract 7.2)."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any, Dict, Optional, Union

import koji

logger = logging.getLogger("koji.build.buildroot")

# The name becomes a directory, a file and a comment: no path, no option, no line of its own, no template.
_NAME = re.compile(r"[^\s./{}'\"\\#-][^\s/{}'\"\\]*\Z")
_ARCH = re.compile(r"[A-Za-z0-9_]+\Z")


@dataclass(frozen=True)
class Identity:
    """What names a buildroot and what it is made from; the fields are the attributes of contract 7.1."""

    id: int
    task_id: Optional[int]
    tag_id: int
    tag_name: str
    repo_info: Dict[str, Any]
    config: Dict[str, Any]
    br_arch: str
    target_arch: str

    @property
    def name(self) -> str:
        """The name that the buildroot has on this host (contract 7.2, 4)."""
        return f"{self.tag_name}-{self.id}-{self.repo_info['id']}"


def create(session: Any, tag: Union[int, str], arch: str, task_id: int, repo_id: Optional[int]) -> Identity:
    """Check the repo and have the hub make a buildroot (contract 7.2, 1 to 4).

    Args:
        session: the task's hub session.
        tag: build tag, id or name.
        arch: the arch to build for.
        task_id: the task it belongs to.
        repo_id: the repo to install from.

    Raises:
        koji.BuildrootError: repo, tag and arch do not go together, or the repo is not usable.
    """
    if not repo_id:
        raise koji.BuildrootError("a buildroot needs a repo id")
    repo_info = session.repoInfo(repo_id, strict=True)
    config = session.getBuildConfig(tag, event=repo_info["create_event"])
    if not config:
        raise koji.BuildrootError(f"Could not get config info for tag: {tag}")
    if config["id"] != repo_info["tag_id"]:
        raise koji.BuildrootError(f"tag/repo mismatch: {config['name']} vs {repo_info['tag_name']}")
    _check_state(repo_info)
    _check_names(config["name"], arch)
    br_arch = koji.canonArch(arch)
    buildroot_id = session.host.newBuildRoot(repo_info["id"], br_arch, task_id=task_id)
    if buildroot_id is None:
        raise koji.BuildrootError("the hub gave no buildroot id")
    # "armhfp" is a name that autoconf does not know.
    target_arch = "armv7hl" if arch == "armhfp" else arch
    return Identity(buildroot_id, task_id, config["id"], config["name"], repo_info, config, br_arch, target_arch)


def load(session: Any, data: Union[int, Dict[str, Any]]) -> Identity:
    """A buildroot that the hub knows already, by its id or its row; nothing is changed anywhere.

    Raises:
        koji.BuildrootError: there is none with that id.
    """
    row = data if isinstance(data, dict) else session.getBuildroot(data)
    if not row:
        raise koji.BuildrootError(f"there is no buildroot {data}")
    repo_info = session.repoInfo(row["repo_id"], strict=True)
    config = session.getBuildConfig(row["tag_id"], event=repo_info["create_event"])
    _check_names(row["tag_name"], row["arch"])
    return Identity(
        row["id"], row["task_id"], row["tag_id"], row["tag_name"], repo_info, config, row["arch"], row["arch"]
    )


def _check_state(repo_info: Dict[str, Any]) -> None:
    state = koji.REPO_STATES[repo_info["state"]]
    if state == "EXPIRED":
        # Nothing is missing in it, it is only not the newest any more, and that may be what was asked for.
        logger.info("Repo %s is expired; it is used all the same", repo_info["id"])
    elif state != "READY":
        raise koji.BuildrootError(f"Requested repo ({repo_info['id']}) is {state}")


def _check_names(tag_name: str, arch: str) -> None:
    if not _NAME.match(tag_name) or not tag_name.isprintable():
        raise koji.BuildrootError(f"no buildroot can be named after the tag {tag_name!r}")
    if not _ARCH.match(arch):
        raise koji.BuildrootError(f"{arch!r} is no arch")
