"""Taking over the metadata of an older repo for those arches in which nothing has changed (contract 9.2, 6).

Each arch is uploaded to a directory of its own below the task's: the files of all arches have names like repomd.xml,
and in one directory the last arch would have replaced the others' (contract 11, item 27).
"""

from __future__ import annotations

import filecmp
import json
import logging
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import koji

from kojid.hub.transfers import Item
from kojid.hub.upload import Uploader
from kojid.repos import contents, metadata

logger = logging.getLogger("koji.build")

# What repo.json says of the choice of packages; the names differ between hubs, and a missing one equals a missing one.
_FLAGS = ("opts", "custom_opts", "with_src", "with_separate_src", "with_debuginfo")
_PER_ARCH = ("blocklist", "pkglist")

Repo = Dict[str, Any]


def arches_to_clone(
    session: Any, old: Repo, new: Repo, old_dir: Path, new_dir: Path, arches: Sequence[str]
) -> List[str]:
    """The arches of a new repo for which an older one's metadata is still right.

    Args:
        session: the task's hub session.
        old, new: the repos; of each `tag_id` and `create_event` are used.
        old_dir, new_dir: their directories on the volume.
        arches: the arches of the new one.
    """
    obstacle = _obstacle(old_dir, new_dir) or _external(session, old, new)
    if obstacle:
        logger.info("No repodata of repo %s is copied: %s", old.get("id"), obstacle)
        return []
    return [arch for arch in arches if _unchanged(old_dir / arch, new_dir / arch)]


def upload(uploader: Uploader, old_dir: Path, arch: str) -> Tuple[str, List[str]]:
    """Upload an older repo's metadata of one arch.

    Args:
        uploader: for the task's directory.
        old_dir: the older repo's directory.
        arch: the arch.

    Returns:
        What `host.repoDone` wants for the arch: the upload directory and the names of the files.

    Raises:
        koji.GenericError: there is nothing to upload, or the hub does not take it.
        OSError: the older repo can't be read, perhaps because it is being deleted.
    """
    repodata = old_dir / arch / "repodata"
    names = metadata.files(repodata)
    if "repomd.xml" not in names or not metadata.named(repodata).issubset(names):
        raise koji.GenericError(f"{repodata} is not complete")
    paths = uploader.files([Item.of(repodata / name, subdir=arch) for name in names])
    return paths[0].rpartition("/")[0], names


def repo_json_updates(old_repo_id: int, arches: Sequence[str]) -> Dict[str, Any]:
    """What `host.repoDone` notes in the repo's own record of what was taken over."""
    return {"cloned_from_repo_id": old_repo_id, "cloned_archs": list(arches)}


def _obstacle(old_dir: Path, new_dir: Path) -> Optional[str]:
    """Why nothing can be taken over, as far as the repos' directories tell."""
    try:
        old, new = _description(old_dir), _description(new_dir)
    except (OSError, ValueError) as error:
        return f"a repo.json can't be read ({error})"
    for flag in _FLAGS:
        if old.get(flag) != new.get(flag):
            return f"they differ in {flag}"
    if not _same(old_dir / "groups" / "comps.xml", new_dir / "groups" / "comps.xml"):
        return "the package groups have changed"
    return None


def _external(session: Any, old: Repo, new: Repo) -> Optional[str]:
    """External repos change without the hub's knowledge, so with them nothing can be taken over."""
    for repo in (new, old):
        if session.getExternalRepoList(repo["tag_id"], event=repo["create_event"]):
            return "there are external repos"
    return None


def _description(directory: Path) -> Dict[str, Any]:
    description: Dict[str, Any] = json.loads((directory / "repo.json").read_text(encoding="utf-8"))
    return description


def _unchanged(old: Path, new: Path) -> bool:
    if not (old / "repodata" / "repomd.xml").is_file():
        return False
    return all(_same(old / name, new / name) for name in _PER_ARCH) and contents.same_packages(old, new)


def _same(old: Path, new: Path) -> bool:
    """Whether two files have the same content; two that are both missing are the same too."""
    if not old.exists() or not new.exists():
        return old.exists() == new.exists()
    return filecmp.cmp(old, new, shallow=False)
