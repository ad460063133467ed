"""Every check, in the order in which they are told; a new one is a row in its section's module."""

from __future__ import annotations

from typing import Tuple

from kojid.cli.checks import configuration, hub, login, machine, paths, plugins, programs, users
from kojid.cli.checks.base import Check

TABLE: Tuple[Check, ...] = (
    *configuration.ROWS,
    *users.ROWS,
    *paths.ROWS,
    *programs.ROWS,
    *machine.ROWS,
    *login.ROWS,
    *plugins.ROWS,
    *hub.ROWS,
)
