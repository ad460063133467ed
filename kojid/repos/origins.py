"""The external repos of a tag: which go into an arch, in which order, and how they are merged (contract 9.3, 4)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import koji

DEFAULT_MODE = "koji"
MODES = ("koji", "simple", "bare")


@dataclass(frozen=True)
class External:
    """The external repos that are merged into one arch of a repo.

    Args:
        mode: how: "koji", "simple" or "bare".
        urls: where they are, most important first. There may be none for this arch although the tag has some; the repo
            is merged all the same, because only that notes the origin of its packages.
    """

    mode: str
    urls: Tuple[str, ...]


def external(repos: Sequence[Dict[str, Any]], arch: str) -> External:
    """Choose among a tag's external repos.

    Args:
        repos: as `getExternalRepoList` gives them, at least one.
        arch: the arch of the repo being made.

    Raises:
        koji.GenericError: they are to be merged in different ways, or in one that is not known.
    """
    modes = sorted({repo.get("merge_mode") or DEFAULT_MODE for repo in repos})
    if len(modes) != 1:
        raise koji.GenericError(f"the external repos have different merge modes: {', '.join(modes)}")
    if modes[0] not in MODES:
        raise koji.GenericError(f"unknown merge mode of the external repos: {modes[0]}")
    urls: List[str] = []
    for repo in repos:
        arches = (repo.get("arches") or "").split()
        url = repo["url"].replace("$arch", arch)
        if (not arches or arch in arches) and url not in urls:
            urls.append(url)
    return External(modes[0], tuple(urls))


def premerge(workdir: Path, repo_id: int) -> Path:
    """Where a repo's own metadata waits for the merge; packages of this origin are the repo's own (contract 7.8)."""
    return workdir / f"repo_{repo_id}_premerge"


def premerge_url(workdir: Path, repo_id: int) -> str:
    """The same as a URL, in the form that the origins then have."""
    return f"file://{premerge(workdir, repo_id)}/"
