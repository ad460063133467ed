"""A task that is about to be taken, and what of it is known before the hub has told its request."""

from __future__ import annotations

from typing import Any

import koji.tasks

from kojid.daemon.schedule.base import Task

_LIBRARYS = koji.tasks.BaseTaskHandler


class Draft:
    """A task to take.

    Args:
        task: the hub's row.
        handler_class: what handles its method; None when nothing does.

    Attributes:
        handler: its handler, once it is made.
    """

    def __init__(self, task: Task, handler_class: Any) -> None:
        self.task = task
        self.handler_class = handler_class
        self.handler: Any = None

    @property
    def task_id(self) -> int:
        """The hub's id."""
        return int(self.task["id"])

    @property
    def method(self) -> str:
        """The task's method."""
        return str(self.task["method"])

    @property
    def foreground(self) -> bool:
        """Whether it runs in the daemon itself."""
        return bool(getattr(self.handler_class, "Foreground", False))

    @property
    def plain(self) -> bool:
        """Whether its request has no say in whether this host takes it, nor in its weight: it is opened unseen."""
        made = self.handler_class
        return (
            not hasattr(made, "checkHost")
            and made.weight is _LIBRARYS.weight
            and made.__init__ is _LIBRARYS.__init__
            and made.__new__ is object.__new__
        )

    @property
    def weight(self) -> float:
        """What it weighs here."""
        return float(self.handler_class._taskWeight if self.handler is None else self.handler.weight())
