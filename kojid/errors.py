"""The errors of the daemon: every one tells what happened and what to do about it (design, decisions 8 and 10).

Three families. A `ConfigError` or `LoginError` ends the start with the exit status of contract 1.5. A `HostFault` is
this machine's trouble: the task is given back to the hub for another host. A package fault is the build's own: it is
one of koji's fault types, so that it reaches the hub under the fault code of contract 13, and it names the log.
"""

from __future__ import annotations

from typing import Optional, Sequence

import koji


class KojidError(Exception):
    """What went wrong, with what an admin does next.

    Args:
        message: one line, what happened.
        hint: one line, what to do about it; empty when the message says it all.
    """

    exit_status = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ConfigError(KojidError):
    """The configuration can't be used as it is; exit status 1 (contract 1.5)."""


class UsageError(KojidError):
    """The command line, or an option that must be set, is wrong; exit status 2 (contract 1.5)."""

    exit_status = 2


class LoginError(KojidError):
    """The hub can't be reached or does not let this host in; exit status 1 (contract 3.1)."""


class HostFault(KojidError):
    """This host can't do the work now though another might: the task is refused softly, never failed."""


def quoting(text: str, log: str, tail: Sequence[str]) -> str:
    """A fault's text with the last lines of a log below it.

    Args:
        text: the sentence.
        log: name of the log.
        tail: its lines; without any the sentence stands alone.
    """
    if not tail:
        return text
    quoted = "\n".join(f"  {line}" for line in tail)
    return f"{text}\nThe last lines of {log}:\n{quoted}"


class BuildFailed(koji.BuildError):
    """The package did not build (fault code 1005).

    Args:
        text: the sentence of contract 7.10.
        log: name of the log that holds the cause.
        tail: the last lines of that log, quoted below the sentence.
    """

    def __init__(self, text: str, log: str = "", tail: Sequence[str] = ()) -> None:
        super().__init__(quoting(text, log, tail))
        self.log = log


class BuildrootFailed(koji.BuildrootError):
    """The buildroot could not be made or changed (fault code 1012); arguments as for `BuildFailed`."""

    def __init__(self, text: str, log: str = "", tail: Sequence[str] = ()) -> None:
        super().__init__(quoting(text, log, tail))
        self.log = log


def explain(error: BaseException) -> str:
    """One line for a log or a terminal: the error's own words, or its type where it has none."""
    text: Optional[str] = str(error).strip()
    return text or type(error).__name__
