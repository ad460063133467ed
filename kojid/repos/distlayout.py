"""The files of one arch of a dist-repo: links to packages, their lists, what is uploaded (contract 9.5, 9 to 12)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Dict, List, Mapping, Tuple

import koji

from kojid.hub.transfers import Item
from kojid.hub.upload import Uploader

DEBUG = "debug"
MANIFEST = "repo_manifest"

Row = Dict[str, Any]


def package_path(name: str) -> str:
    """Where a package lies below its arch: in a directory of its first letter."""
    return f"Packages/{name[0].lower()}/{name}"


def package_directories(arch_dir: Path) -> List[Path]:
    """The directories that packages of an arch lie in: createrepo_c looks for older packages in no others."""
    found = (path for path in (arch_dir / "Packages").glob("*") if path.is_dir())
    return sorted(found)


def split_debuginfo(packages: Mapping[str, Row]) -> Dict[str, Row]:
    """The packages, those with debugging information marked for a repository of their own."""
    return {
        name: {**rpm, "_subrepo": DEBUG} if koji.is_debuginfo(rpm["name"]) else rpm for name, rpm in packages.items()
    }


def write(directory: Path, packages: Mapping[str, Row]) -> Dict[str, Path]:
    """Write the lists and links of an arch.

    Args:
        directory: an empty one.
        packages: by file name; `_pkgpath` is where the file is, `_subrepo` names the repository that it goes to.

    Returns:
        The repositories to make metadata of: directory of each by name, the main one's name being "".
    """
    packages = dict(sorted(packages.items()))
    (directory / "kojipkgs").write_text(json.dumps(packages), encoding="utf-8")
    lists: Dict[str, List[str]] = {"": []}
    for name, rpm in packages.items():
        link = directory / package_path(name)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(rpm["_pkgpath"])
        below = rpm.get("_subrepo", "")
        lists.setdefault(below, []).append(("../" if below else "") + package_path(name))
    repos = {below: directory / below if below else directory for below in lists}
    for below, lines in lists.items():
        repos[below].mkdir(exist_ok=True)
        (repos[below] / "pkglist").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return repos


def upload(uploader: Uploader, directory: Path, manifest: Path) -> None:
    """Upload everything but the links to packages, and at last the list of what was uploaded.

    Args:
        uploader: for the task's directory.
        directory: the arch, with its metadata.
        manifest: where the list is written.
    """
    names: List[str] = []
    items: List[Item] = []
    for relative, path in _files(directory):
        below, _, name = relative.rpartition("/")
        items.append(Item.of(path, name, "" if below == "." else below))
        names.append(relative)
    uploader.files(items)
    manifest.write_text(json.dumps(names, indent=4), encoding="utf-8")
    uploader.file(manifest, MANIFEST)


def _files(directory: Path) -> List[Tuple[str, Path]]:
    """The regular files, with the paths that a hub knows them by: "./pkglist", "repodata/repomd.xml"."""
    found = []
    for parent, _directories, files in os.walk(directory):
        for name in sorted(files):
            path = Path(parent, name)
            if path.is_file() and not path.is_symlink():
                found.append((f"{os.path.relpath(parent, directory)}/{name}", path))
    return sorted(found)
