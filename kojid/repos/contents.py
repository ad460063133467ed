"""The hub's lists of a repo's packages: what is new in them, and whether a name still stands for the same content.

Contract 9.1: `pkglist` has the places of the packages, `rpmlist.jsonl` (hubs since 1.34) what is in them.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, Dict, Iterable, NamedTuple, Optional, Set, Tuple

from kojid.repos import metadata

logger = logging.getLogger("koji.build")


class Changes(NamedTuple):
    """What has changed in an arch of a repo since an older one.

    Args:
        wanted: the places of all packages, in the order in which createrepo_c writes them: by their file's name.
        added: those of them that are new, or that are other packages of the same name.
        removed: how many the older one has that are not wanted, those of the same name included.
    """

    wanted: Tuple[str, ...]
    added: Tuple[str, ...]
    removed: int


def changes(old: Path, new: Path) -> Optional[Changes]:
    """What has changed; None when it can't be told.

    Args:
        old, new: an arch's directory in two repos.
    """
    try:
        before, after = _places(old), _places(new)
        replaced = _replaced(old, new)
    except (OSError, ValueError, KeyError) as error:
        logger.warning("Whether packages were replaced since %s can't be told: %s", old, error)
        return None
    known = set(before)
    added = tuple(place for place in after if place not in known or _nvra(place) in replaced)
    return Changes(after, added, len(known) - len(set(after).difference(added)))


def same_packages(old: Path, new: Path) -> bool:
    """Whether no package has the place of another one of the same name: a build that was reset and made anew has.

    Args:
        old, new: an arch's directory in two repos. What hubs before 1.34 made has no lists of this; that says nothing.
    """
    try:
        return not _replaced(old, new)
    except (OSError, ValueError, KeyError) as error:
        logger.warning("Whether packages were replaced since %s can't be told: %s", old, error)
        return False


def _places(directory: Path) -> Tuple[str, ...]:
    listed = metadata.entries((directory / "pkglist").read_text(encoding="utf-8").splitlines())
    return tuple(sorted(listed, key=lambda place: (place.rpartition("/")[2], place)))


def _nvra(place: str) -> str:
    return place.rpartition("/")[2][: -len(".rpm")]


def _replaced(old: Path, new: Path) -> Set[str]:
    """N-V-R.A of the packages that have other content now. Only the lines that differ are read: most never do."""
    before, after = _lines(old), _lines(new)
    known = _contents(before - after)
    return {nvra for nvra, content in _contents(after - before).items() if known.get(nvra, content) != content}


def _lines(directory: Path) -> Set[bytes]:
    listed = directory / "rpmlist.jsonl"
    return set(listed.read_bytes().splitlines()) if listed.exists() else set()


def _contents(lines: Iterable[bytes]) -> Dict[str, Any]:
    """What identifies the content of packages, by their N-V-R.A."""
    rpms = [json.loads(line) for line in lines if line.strip()]
    return {
        "{name}-{version}-{release}.{arch}".format_map(rpm): (rpm.get("id"), rpm.get("payloadhash")) for rpm in rpms
    }
