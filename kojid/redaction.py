"""Taking secrets out of text that others get to read: logs, faults, configurations (contract 11, item 24)."""

from __future__ import annotations

import logging
import re

# The password of a URL, or of a CVS root, ends at the last @ before the path, as it may hold one itself.
_PASSWORD = re.compile(r"((?:://|:pserver:|:ext:)[^/@:\s'\"]*):[^/\s'\"]*@")
# What a hub session is known by; a client of old wrote it into its URL.
_SESSION_KEY = re.compile(r"(session-key['\"]?[=:]\s*['\"]?)[^&\s'\",}]+", re.IGNORECASE)


def redact(text: str) -> str:
    """The text with `***` for the passwords in its URLs, and for keys of hub sessions."""
    return _SESSION_KEY.sub(r"\1***", _PASSWORD.sub(r"\1:***@", text))


class RedactingFormatter(logging.Formatter):
    """Formats a record, its traceback included, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        return redact(super().format(record))
