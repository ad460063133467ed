"""The loop of `kojid top`: a picture now and then, keys at once."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import List

from rich.console import Console

from kojid.cli import picture
from kojid.cli.dashboard import keys, view
from kojid.cli.dashboard.state import LOG, TASK, State
from kojid.config.options import Options
from kojid.daemon import tasklog
from kojid.system import usage
from kojid.system.files import tail_lines

_LOG_LINES = 200
_ANSWER_SECONDS = 2.0  # a screen that stands still is worse than an older picture


def run(options: Options, interval: float) -> None:
    """Show the screen until the user has enough of it; needs a terminal on standard input and output."""
    console = Console()
    state = State(interval)
    descriptor = sys.stdin.fileno()
    with keys.unbuffered(descriptor), console.screen(hide_cursor=True) as screen:
        screen.update(view.notice("asking the daemon"))
        while not state.over:
            if time.monotonic() >= state.due and not state.paused:
                state.take(picture.take(options, seconds=_ANSWER_SECONDS))
            _details(options, state)
            screen.update(view.draw(state, console, _log(options, state)))
            for key in keys.pressed(descriptor, 0.5 if state.paused else state.due - time.monotonic()):
                state.key(key)


def _details(options: Options, state: State) -> None:
    """What only the view of one task shows."""
    if state.view == TASK and state.task is not None:
        state.picture["phases"] = picture.phases(options, state.task["id"])
        state.picture["processes"] = usage.names(state.task["processes"])


def _log(options: Options, state: State) -> List[str]:
    if state.view != LOG or state.selected is None:
        return []
    try:
        return tail_lines(Path(tasklog.path_of(state.selected, options.task_log_dir)), _LOG_LINES)
    except OSError as error:
        return [f"there is no log: {error.strerror}"]
