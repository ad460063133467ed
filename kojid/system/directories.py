"""Telling directories from links to directories, in trees that nobody here trusts."""

from __future__ import annotations

import os

_STEP = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def is_directory_beneath(top: str, relative: str) -> bool:
    """Whether a path below a trusted directory leads to a directory through directories only, no link among them.

    Args:
        top: the trusted directory.
        relative: the way from there; not up.
    """
    current = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in relative.split("/"):
            if part in ("", "."):
                continue
            if part == "..":
                return False
            following = os.open(part, _STEP, dir_fd=current)
            os.close(current)
            current = following
        return True
    except OSError:
        return False
    finally:
        os.close(current)
