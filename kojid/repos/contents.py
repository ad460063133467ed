"""The hub's lists of a repo's packages: whether a name still stands for the same content (contract 9.1)."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, Dict

logger = logging.getLogger("koji.build")


def same_packages(old: Path, new: Path) -> bool:
    """Whether no package has the place of another one of the same name: a build that was reset and made anew has.

    Args:
        old, new: an arch's directory in two repos. What hubs before 1.34 made has no lists of this; that says nothing.
    """
    try:
        before, after = _contents(old), _contents(new)
    except (OSError, ValueError, KeyError) as error:
        logger.warning("Whether packages were replaced since %s can't be told: %s", old, error)
        return False
    return all(before.get(package, content) == content for package, content in after.items())


def _contents(directory: Path) -> Dict[str, Any]:
    """What identifies the content of each package of an arch, by its N-V-R.A."""
    listed = directory / "rpmlist.jsonl"
    if not listed.exists():
        return {}
    with listed.open(encoding="utf-8") as lines:
        rpms = [json.loads(line) for line in lines if line.strip()]
    return {
        "{name}-{version}-{release}.{arch}".format_map(rpm): (rpm.get("id"), rpm.get("payloadhash")) for rpm in rpms
    }
