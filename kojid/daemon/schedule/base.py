"""What the daemon wants of a scheduler: a question for the hub, and from its answer the tasks to try in order."""

from __future__ import annotations

from typing import Any, Callable, Iterator, Mapping, Protocol

Task = Mapping[str, Any]
#: Whether a task is open on this host, or its process still here.
IsHere = Callable[[int], bool]


class Schedule(Protocol):
    """One way in which tasks reach this host.

    Attributes:
        question: the hub's method that says what there is for this host.
        at_once: how many of the candidates are tried together, by one request.
    """

    question: str
    at_once: int

    def candidates(self, answer: Any) -> Iterator[Task]:
        """The tasks to try one after the other, each decided on when it is asked for.

        Args:
            answer: what the hub answered to `question`.
        """

    def took(self, weight: float) -> None:
        """The last candidate was taken and weighs so much: the next ones are judged with that in mind."""
