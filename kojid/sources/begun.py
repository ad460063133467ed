"""The options of a process that works on sources: set once, where a task's process begins.

They are kept apart from what uses them, so that a task without sources need not load that.
"""

from __future__ import annotations

import sys
from typing import Any

options: Any = None


def begin(given: Any) -> None:
    """Set the options for all sources of this process, those made by plugins too."""
    global options
    options = given
    loaded = sys.modules.get("kojid.sources.scm")
    if loaded is not None:
        loaded.SCM.use_options(given)
