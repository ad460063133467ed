"""The log's way into systemd's journal, with fields to ask for: TASK_ID, METHOD, NVR, BUILDROOT."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from typing import Any, Mapping, Optional, TextIO

from kojid.system import logfields

FORMAT = "%(name)s: %(task)s%(message)s"
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG = 7


class JournalHandler(logging.Handler):
    """Writes records into the journal.

    python-systemd's own handler adds every attribute of a record as it is, the arguments of the message too; these may
    hold what the formatter takes out of the text, so this one sends the formatted text and chosen fields alone.

    Args:
        journal: the module `systemd.journal`.
    """

    def __init__(self, journal: Any) -> None:
        super().__init__()
        self._journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record; a journal that does not take it costs the record alone."""
        try:
            self._journal.send(
                self.format(record),
                PRIORITY=str(priority(record.levelno)),
                SYSLOG_IDENTIFIER="kojid",
                LOGGER=record.name,
                CODE_FILE=record.pathname,
                CODE_LINE=record.lineno,
                CODE_FUNC=record.funcName or "",
                **logfields.current(),
            )
        except Exception:  # as logging's own handlers do: no record may cost the daemon
            self.handleError(record)


def priority(level: int) -> int:
    """The journal's priority for a level of Python's."""
    return next((number for least, number in _PRIORITIES if level >= least), _DEBUG)


def reaches(stream: TextIO, environment: Optional[Mapping[str, str]] = None) -> bool:
    """Whether systemd has connected this stream to its journal (systemd.exec(5), JOURNAL_STREAM)."""
    named = (os.environ if environment is None else environment).get("JOURNAL_STREAM", "")
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return named == f"{found.st_dev}:{found.st_ino}"


def handler() -> Optional[JournalHandler]:
    """A handler, when stderr goes to the journal and python-systemd is here; else None, and stderr has to do."""
    if not reaches(sys.stderr):
        return None
    try:
        return JournalHandler(importlib.import_module("systemd.journal"))
    except ImportError:
        return None
