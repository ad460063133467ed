"""The screen of `kojid top`, from its state; it fits a terminal of 80 columns and 24 lines, and uses more."""

from __future__ import annotations

import time
from typing import Any, Iterator, List, Mapping, Optional, Tuple

from rich.console import Console, Group, RenderableType
from rich.layout import Layout
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from kojid.cli import show, words
from kojid.cli.dashboard.history import plot
from kojid.cli.dashboard.state import HELP, LOG, OVERVIEW, State
from kojid.cli.picture import DEAD, NEVER, RUNS
from kojid.system.files import printable

_FOOT = " q quit  ↑↓ select  Enter task  l log  Esc back  +/- pace  space pause  ? help"
_FOOT_ASCII = " q quit  j/k select  Enter task  l log  Esc back  +/- pace  space pause  ? help"
_HELP = (
    ("q, Ctrl-C", "leave"),
    ("Up, Down, k, j", "select a task"),
    ("Enter, Right", "the selected task in full"),
    ("l", "the end of its log"),
    ("Esc, Left", "back"),
    ("+, -", "refresh more or less often"),
    ("r", "refresh now"),
    ("space", "hold the screen, and go on"),
    ("?, h", "this page"),
)
_STATES = {"running": "green", "waiting": "cyan", "ending": "yellow", "runs on": "yellow", "gone": "red"}
_OTHER_LINES = 10  # of the overview: head, facts, titles, the foot


def draw(state: State, console: Console, log: List[str]) -> RenderableType:
    """The whole screen.

    Args:
        state: what to show.
        console: where; its size is heeded.
        log: the last lines of the selected task's log, for the view of it.
    """
    width, height = console.size
    plain = not console.encoding.lower().startswith("utf")
    if state.view == OVERVIEW:
        body = list(_overview(state, width, height, plain=plain))
    elif state.view == HELP:
        body = [Text(f" {keys:<16} {what}") for keys, what in _HELP]
    elif state.view == LOG:
        body = [_line(line, width) for line in [f"log of task {state.selected}", *log[-(height - 4) :]]]
    else:
        body = [_line(line, width) for line in _task(state)]
    screen = Layout()
    screen.split_column(
        Layout(_head(state, width), size=1),
        Layout(Group(*body)),
        Layout(_foot(state, width, plain=plain), size=1),
    )
    return screen


def _head(state: State, width: int) -> Text:
    picture = state.picture
    good = picture["daemon"] == RUNS and picture["ready"]
    colour = (
        "white on dark_green" if good else "white on red" if picture["daemon"] in (DEAD, NEVER) else "black on yellow"
    )
    return Text(words.shortened(f" {show.headline(picture)}", width).ljust(width), style=colour)


def _foot(state: State, width: int, *, plain: bool) -> Text:
    keys = _FOOT_ASCII if plain else _FOOT
    held = "HELD " if state.paused else ""
    pace = f"{held}{state.interval:g} s "
    return Text(words.shortened(keys, width - len(pace) - 1).ljust(width - len(pace)) + pace, style="reverse")


def _line(text: str, width: int) -> Text:
    return Text(words.shortened(printable(text), width))


def _overview(state: State, width: int, height: int, *, plain: bool) -> Iterator[RenderableType]:
    picture = state.picture
    lines = 1 if height < 30 else 2 if height < 45 else 4
    yield _line(_hub(picture), width)
    yield from _plots(state, width, lines, plain=plain)
    room = max(1, height - _OTHER_LINES - 2 * lines)
    rows, roots = _shares(room, len(state.tasks), len(picture["buildroots"]))
    yield from _tasks(state, rows, width)
    yield from _buildroots(picture, roots, width)


def _hub(picture: Mapping[str, Any]) -> str:
    parts = []
    hub = picture["hub"]
    if hub is not None:
        parts.append(f"hub {words.duration(hub['latency'])}, {words.ago(hub['contact'])}")
    if picture["next_beat"] is not None:
        parts.append(f"beat in {words.duration(picture['next_beat'])}")
    if picture["certificate"] is not None:
        parts.append(f"certificate {show.certificate(picture['certificate'])}")
    if picture["cleaning"]:
        parts.append(f"cleaning up {picture['cleaning']}")
    return " " + ("; ".join(parts) or "nothing is known of the hub")


def _plots(state: State, width: int, lines: int, *, plain: bool) -> Iterator[Text]:
    """Four plots in two columns."""
    half = (width - 3) // 2
    for pair in (("load", "tasks"), ("memory", "disk")):
        charts = [_plot(state, name, half, lines, plain=plain) for name in pair]
        for left, right in zip(*charts):
            yield Text.assemble(" ", left, " ", right)


def _plot(state: State, name: str, width: int, lines: int, *, plain: bool) -> List[Tuple[str, str]]:
    title, top, colour = _scale(state, name)
    chart = plot(state.history.last(name, width), lines, top, ascii_only=plain)
    head = words.shortened(title, width).ljust(width)
    return [(head, "bold"), *((line, colour) for line in chart)]


def _scale(state: State, name: str) -> Tuple[str, float, str]:
    """The title of a plot, the value at its upper end, and its colour."""
    picture, highest = state.picture, state.history.highest(name)
    machine = picture["machine"]
    if name == "load":
        return f"load {machine['load']:.2f} on {machine['cpus']} cpus", max(float(machine["cpus"]), highest), "yellow"
    if name == "tasks":
        return f"tasks {show.jobs(picture)}", max(float(picture["maxjobs"]), highest), "green"
    if name == "memory":
        left = machine["memory_available_mb"]
        free = "-" if left is None else words.size(left * 2.0**20)
        return f"memory used; {free} available", 100.0, "magenta"
    room = picture["room"].get("mockdir", {})
    free = words.size(room["free_mb"] * 2.0**20) if "free_mb" in room else str(room.get("trouble", "-"))
    return f"disk: {free} free", max(1.0, highest), "blue"


def _shares(room: int, tasks: int, roots: int) -> Tuple[int, int]:
    """Lines for tasks and for buildroots: who has few leaves the rest to the other."""
    for_roots = min(roots, max(room // 3, room - tasks))
    return max(1, room - for_roots), for_roots


def _tasks(state: State, room: int, width: int) -> Iterator[RenderableType]:
    tasks = state.tasks
    numbers = [task["id"] for task in tasks]
    at = numbers.index(state.selected) if state.selected in numbers else 0
    first = max(0, min(at - room // 2, len(tasks) - room))
    table = Table(box=None, pad_edge=False, expand=True, header_style="bold", padding=(0, 1))
    table.add_column("TASK", no_wrap=True)
    table.add_column("WHAT", no_wrap=True, ratio=1)
    for title in ("AT", "AGE", "CPU", "MEMORY"):
        table.add_column(title, no_wrap=True, justify="left" if title == "AT" else "right")
    for task in tasks[first : first + room]:
        style = "reverse" if task["id"] == state.selected else _STATES.get(task["state"], "")
        table.add_row(*_cells(task, state.percent.get(task["id"])), style=style)
    yield Text(f" {len(tasks)} tasks".ljust(width), style="bold") if not tasks else table
    if not tasks:
        yield Text(f" {_why_none(state)}")


def _cells(task: Mapping[str, Any], percent: Optional[float]) -> List[Text]:
    phase = task["phase"] if task["state"] == "running" and task["phase"] else task["state"]
    cpu = words.clock(task["cpu_seconds"]) if percent is None else f"{percent:.0f}%"
    found = [
        show.name(task),
        printable(task["subject"]),
        phase,
        words.duration(task["age"]),
        cpu,
        words.size(task["memory_bytes"]),
    ]
    return [Text(cell) for cell in found]


def _why_none(state: State) -> str:
    if state.picture["daemon"] != RUNS:
        return "none of which anything is left here"
    return "waiting for the hub to give some" if state.picture["ready"] else f"because: {state.picture['reason']}"


def _buildroots(picture: Mapping[str, Any], room: int, width: int) -> Iterator[Text]:
    roots = picture["buildroots"]
    known = [root["bytes"] for root in roots if root["bytes"] is not None]
    total = f", {words.size(sum(known))}" if known else ", not measured yet" if roots else ""
    yield Text(words.shortened(f"{len(roots)} buildroots{total}", width), style="bold")
    for root in sorted(roots, key=lambda one: -(one["bytes"] or 0))[:room]:
        yield _line(f"{words.size(root['bytes']):>9}  {root['name']}  {show.fate(root)}", width)


def _task(state: State) -> Iterator[str]:
    task = state.task
    if task is None:
        yield f"task {state.selected} has ended"
        return
    yield from show.task_lines(task, list(state.picture.get("phases", [])), state.picture.get("processes", {}))


def notice(text: str) -> RenderableType:
    """Something to say while there is no picture."""
    return Panel(Text(text), title=time.strftime("%H:%M:%S"))
