"""Which buildroots are made the same: all that a root depends on, as one digest."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

_HEADER = re.compile(r"(?m)^# Koji (?:buildroot id|buildroot name|task id): .*\n")
_SITE = "/etc/mock/site-defaults.cfg"


@dataclass(frozen=True)
class Wanted:
    """A buildroot that is to be made.

    Args:
        name: its name, which is also that of its directory.
        buildroot_id, task_id: its ids on the hub.
        repo: its repo, as `repoInfo` gives it.
        arch: canonical arch.
        group: comps group that is installed.
        config: the text of its mock configuration.
        words: of mock's command line that the tag adds.
    """

    name: str
    buildroot_id: int
    task_id: Optional[int]
    repo: Dict[str, Any]
    arch: str
    group: str
    config: str
    words: Tuple[str, ...] = ()


def key_of(wanted: Wanted, options: Any) -> Optional[str]:
    """A digest of all that a root depends on: repo, arch, group, configuration, mock and its user.

    What names the buildroot in the configuration does not count.

    Args:
        wanted: the buildroot.
        options: the daemon's options.

    Returns:
        None for a buildroot that has something of its task's own in its configuration: no other will be the same.
    """
    config = _HEADER.sub("", wanted.config).replace(wanted.name, "NAME")
    if f"{options.workdir}/" in config:
        return None
    parts = [
        wanted.repo["id"], wanted.arch, wanted.group, config, wanted.words, options.mockuser,
        _version(options.mockpath), _version(_SITE),
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _version(path: str) -> List[Any]:
    """What changes when a file is replaced: mock itself, or what is set for all of its roots on this host."""
    try:
        status = os.stat(path)
    except OSError:
        return [path]
    return [os.path.realpath(path), status.st_size, status.st_mtime_ns]


def name_of(wanted: Wanted, digest: str) -> str:
    """The directory of a warm root: its repo and arch for people, the rest by the digest."""
    return f"{wanted.repo['id']}-{wanted.arch}-{digest[:24]}"
