"""The names that third-party plugins import from `__main__`, the stock daemon being a script (contract 10.2)."""

from __future__ import annotations

import sys

import koji.daemon

from kojid.buildroot import BuildRoot
from kojid.tasks.base import BaseBuildTask

# BuildImageTask, ImageTask and their like belong to the image families, which this daemon does not have yet: a plugin
# that imports one fails to load and says so.
NAMES = {"BuildRoot": BuildRoot, "BaseBuildTask": BaseBuildTask, "SCM": koji.daemon.SCM}


def publish() -> None:
    """Put the names into `__main__`, before any plugin is loaded."""
    vars(sys.modules["__main__"]).update(NAMES)
