"""What a task works on, in the words of logs and of whoever asks what runs here."""

from __future__ import annotations

import contextlib
import os
from typing import Any, Dict, Optional

import koji

from kojid.redaction import redact


def subject_of(handler: Any, method: str) -> str:
    """What a task works on; a request of an odd form has none."""
    info = getattr(handler, "taskinfo", None)
    with contextlib.suppress(Exception):
        return redact(_label(info, method)) if isinstance(info, dict) else method
    return method


def _label(info: Dict[str, Any], method: str) -> str:
    """The library's words; where those only tell the arch, the file or name that the request begins with, too."""
    label, first = str(koji.taskLabel(info)), next(iter(info.get("request") or ()), None)
    if label == f"{method} ({info.get('arch')})" and isinstance(first, str) and first:
        return f"{method} ({os.path.basename(first)}, {info['arch']})"
    return label


def parent_of(handler: Any) -> Optional[int]:
    """The id of the task that it is a subtask of; None without one."""
    info = getattr(handler, "taskinfo", None)
    parent = info.get("parent") if isinstance(info, dict) else None
    return parent if isinstance(parent, int) else None
