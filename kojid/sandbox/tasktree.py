"""A task and its subtasks as the hub tells of them, in the order in which a person reads them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

import koji

_ENDED = ("CLOSED", "CANCELED", "FAILED")


@dataclass
class Node:
    """A task as of the last look.

    Args:
        id: the task's id.
        label: its method and what it works on.
        state: FREE, ASSIGNED, OPEN, CLOSED, CANCELED or FAILED.
        host: the build host's name, empty as long as there is none.
        seconds: since its creation when it waits for a host, since its start while it runs, and how long it ran.
        children: its subtasks.
    """

    id: int
    label: str
    state: str
    host: str
    seconds: float
    children: List[Node] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """Whether it has an outcome."""
        return self.state in _ENDED

    def walk(self, depth: int = 0) -> Iterator[Tuple[int, Node]]:
        """This task and all below it, with their depth."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)


class Reader:
    """Reads task trees from a hub.

    Args:
        session: a hub session.
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        self._hosts: Dict[int, str] = {}

    def read(self, task_id: int) -> Node:
        """The tree below a task, as it is now.

        Raises:
            koji.GenericError: there is no such task.
        """
        with self._session.multicall(strict=True) as calls:
            root = calls.getTaskInfo(task_id, request=True, strict=True)
            below = calls.getTaskDescendents(task_id, request=True)
        return self._node(root.result, {int(parent): rows for parent, rows in below.result.items()})

    def _node(self, row: Mapping[str, Any], below: Mapping[int, List[Mapping[str, Any]]]) -> Node:
        children = sorted(below.get(row["id"], []), key=lambda child: int(child["id"]))
        node = Node(row["id"], _label(row), koji.TASK_STATES[row["state"]], self._host(row["host_id"]), _seconds(row))
        node.children = [self._node(child, below) for child in children]
        return node

    def _host(self, host_id: Optional[int]) -> str:
        if host_id is None:
            return ""
        if host_id not in self._hosts:
            self._hosts[host_id] = str(self._session.getHost(host_id, strict=True)["name"])
        return self._hosts[host_id]


def _label(row: Mapping[str, Any]) -> str:
    label = str(koji.taskLabel(dict(row)))
    return label if len(label) <= _LONGEST_LABEL else label[: _LONGEST_LABEL - 3] + "..."


_LONGEST_LABEL = 56


def _seconds(row: Mapping[str, Any]) -> float:
    begun = row.get("start_ts") or row["create_ts"]
    return max(0.0, float((row.get("completion_ts") or time.time()) - begun))
