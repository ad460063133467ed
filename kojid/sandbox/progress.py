"""Live progress of a task: its tree and the end of the log that is growing.

On a terminal the picture is drawn anew in place; elsewhere every change is a line of its own.
"""

from __future__ import annotations

import shutil
import sys
import time
from typing import IO, Any, Dict, List, Optional

import koji

from kojid.sandbox import logtail
from kojid.sandbox.errors import SandboxError
from kojid.sandbox.logtail import Tail
from kojid.sandbox.tasktree import Node, Reader

_LOOK_SECONDS = 0.4
_LOG_LINES = 8
_LOG_LINE_SECONDS = 2.0


class Terminal:
    """Draws the tree and the log in place.

    Args:
        out: the terminal.
    """

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._height = 0

    def show(self, root: Node, tail: Optional[Tail]) -> None:
        """Replace the picture."""
        width, height = shutil.get_terminal_size((100, 30))
        lines = tree_lines(root)
        if tail is not None and not root.ended:
            lines += [f"  -- {tail.name} of task {tail.task_id}", *(f"  | {line}" for line in tail.lines)]
        lines = [line[: width - 1] for line in lines[: height - 2]]
        self._out.write((f"\x1b[{self._height}F" if self._height else "") + "\x1b[J" + "\n".join(lines) + "\n")
        self._out.flush()
        self._height = len(lines)


class Lines:
    """Prints a line for each change of a task, and now and then the log's last line.

    Args:
        out: where to print.
    """

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._states: Dict[int, str] = {}
        self._last_log = ""
        self._next_log = 0.0

    def show(self, root: Node, tail: Optional[Tail]) -> None:
        """Print what has changed since the last time."""
        for depth, node in root.walk():
            if self._states.get(node.id) != node.state:
                self._states[node.id] = node.state
                self._print(node_line(depth, node))
        now = time.monotonic()
        line = f"  | {tail.name}: {tail.lines[-1]}" if tail is not None and tail.lines else ""
        if line and line != self._last_log and now >= self._next_log:
            self._last_log, self._next_log = line, now + _LOG_LINE_SECONDS
            self._print(line)

    def _print(self, line: str) -> None:
        print(line, file=self._out, flush=True)


def tree_lines(root: Node) -> List[str]:
    """The tree, one line a task."""
    return [node_line(depth, node) for depth, node in root.walk()]


def node_line(depth: int, node: Node) -> str:
    """One task: id and what it does, state, host, seconds."""
    title = f"{'  ' * depth}{node.id} {node.label}"
    return f"  {title:<62} {node.state.lower():<8} {node.host:<10} {node.seconds:6.1f} s".rstrip()


class Watcher:
    """Follows tasks to their end.

    Args:
        session: a hub session.
        paths: of the hub's volume, to read the logs.
        out: where to show the progress.
    """

    def __init__(self, session: Any, paths: koji.PathInfo, out: Optional[IO[str]] = None) -> None:
        self._reader = Reader(session)
        self._paths = paths
        self._out = out or sys.stdout

    def follow(self, task_id: int, timeout: float) -> Node:
        """Show a task until it and all below it have ended; returns the last picture.

        Args:
            task_id: the task.
            timeout: seconds to wait for its end.

        Raises:
            SandboxError: the time is up.
        """
        display = Terminal(self._out) if self._out.isatty() else Lines(self._out)
        deadline = time.monotonic() + timeout
        while True:
            root = self._reader.read(task_id)
            display.show(root, self._tail(root))
            if root.ended:
                return root
            if time.monotonic() > deadline:
                raise SandboxError(f"task {task_id} has not ended within {timeout:g} seconds: {root.label}")
            time.sleep(_LOOK_SECONDS)

    def _tail(self, root: Node) -> Optional[Tail]:
        working = [node.id for _, node in root.walk() if node.state == "OPEN"]
        return logtail.newest(self._paths, working, _LOG_LINES)
