"""What a check is: a row with a name, what it looks at, what to do when something is wrong, and a small function."""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, Optional, Sequence

from kojid.cli.checks.hubfacts import HubFacts
from kojid.config.loader import Survey
from kojid.config.options import Options
from kojid.errors import KojidError

OK, WARNING, ERROR, SKIPPED = "ok", "warning", "error", "skipped"
HUB, LOGIN = "hub", "login"  # what a check needs besides this machine
SECONDS = 20.0


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Args:
        level: OK, WARNING, ERROR or SKIPPED.
        text: one line.
        remedy: what to do; empty stands for the remedy of the check's row.
    """

    level: str
    text: str
    remedy: str = ""


class Context:
    """What checks look at.

    Args:
        survey: the configuration, with its problems.
        config: the path that it was read from.
        offline: whether the hub is left alone.
    """

    def __init__(self, survey: Survey, config: Path, *, offline: bool = False) -> None:
        self.survey = survey
        self.config = config
        self.offline = offline

    @property
    def options(self) -> Options:
        """The settings, as far as they can be read."""
        return self.survey.options

    @functools.cached_property
    def hub(self) -> HubFacts:
        """What the hub says of this host; the first use of it logs in."""
        return HubFacts(self.options)

    def having(self, **values: Any) -> Options:
        """The settings with some of them changed."""
        made = copy.copy(self.options)
        for name, value in values.items():
            setattr(made, name, value)
        return made

    def close(self) -> None:
        """Log out, if there was a login."""
        if "hub" in self.__dict__:
            self.hub.close()


@dataclass(frozen=True)
class Check:
    """One row of the table.

    Args:
        section: the heading that it stands under.
        name: its name, the same in every release; unique.
        what: what it looks at, in words.
        remedy: what to do about a finding that does not say so itself.
        look: finds something out; called with the context, and with one of `each` where there is that.
        needs: HUB when it asks over the network, LOGIN when it needs a session with the hub; else empty.
        seconds: how long it may take.
        alone: whether it runs in a process of its own, because what it does may end or change that.
        each: what it is done for, once each: plugins, URLs.
    """

    section: str
    name: str
    what: str
    remedy: str
    look: Callable[..., Iterable[Finding]]
    needs: str = ""
    seconds: float = SECONDS
    alone: bool = False
    each: Optional[Callable[[Options], Sequence[str]]] = None


def fine(text: str) -> Finding:
    """Nothing to do."""
    return Finding(OK, text)


def warn(text: str, remedy: str = "") -> Finding:
    """The daemon works, and somebody should look at it."""
    return Finding(WARNING, text, remedy)


def wrong(text: str, remedy: str = "") -> Finding:
    """The daemon does not start, takes no task, or fails tasks that it should not."""
    return Finding(ERROR, text, remedy)


def skipped(text: str) -> Finding:
    """It could not be looked at, and something else says why."""
    return Finding(SKIPPED, text)


def told(error: KojidError, level: str = ERROR) -> Finding:
    """An error of the daemon's own, as the start tells it."""
    return Finding(level, " ".join(error.message.split()), error.hint)


def unless_any(findings: Iterable[Finding], text: str) -> Iterator[Finding]:
    """These findings, or when there are none that all is fine."""
    found = False
    for finding in findings:
        found = True
        yield finding
    if not found:
        yield fine(text)
