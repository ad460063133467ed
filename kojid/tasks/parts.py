"""Libraries and programs that only some tasks need: a host without them leaves such tasks to others.

What is missing is known before a task is taken (`checkHost`, contract 5.7), and again when one is begun. Either way
the task is refused softly, with the package to install named, and never failed.
"""

# Method names are koji's.
# ruff: noqa: N802

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import dataclass
from typing import Any, ClassVar, Dict, List, Sequence, Tuple

from koji.tasks import RefuseTask

from kojid.system.process import clean_environment
from kojid.tasks.base import BaseTaskHandler


@dataclass(frozen=True)
class Part:
    """A library or a program.

    Args:
        name: of the Python module, or of the program.
        package: what to install, in words.
        is_program: whether it is a program.
    """

    name: str
    package: str
    is_program: bool = False

    def is_here(self) -> bool:
        """Whether it is installed; a program counts where commands of the builder would find it."""
        if self.is_program:
            return shutil.which(self.name, path=clean_environment()["PATH"]) is not None
        return importlib.util.find_spec(self.name) is not None


def library(name: str, package: str) -> Part:
    """A Python module, by its name, and the package that has it."""
    return Part(name, package)


def program(name: str, package: str) -> Part:
    """A program, by its name or path, and the package that has it."""
    return Part(name, package, is_program=True)


def lacking(parts: Sequence[Part]) -> str:
    """What is missing and what to install, in one line; empty when nothing is missing."""
    missing: List[Part] = [part for part in parts if not part.is_here()]
    if not missing:
        return ""
    names = ", ".join(part.name for part in missing)
    packages = ", ".join(dict.fromkeys(part.package for part in missing))
    return f"needs {names}, not installed here; install {packages}"


class OptionalParts(BaseTaskHandler):
    """A task that needs more than every builder has. Subclasses list it in `parts`."""

    parts: ClassVar[Tuple[Part, ...]] = ()

    def checkHost(self, hostdata: Dict[str, Any]) -> bool:
        """Whether this host can do the task; what other base classes say of it counts as well.

        Raises:
            RefuseTask: a part is missing.
        """
        self.require_parts()
        others = getattr(super(), "checkHost", None)
        return bool(others(hostdata)) if others else True

    def run(self) -> Any:
        """Execute the task; raises RefuseTask before anything is done when a part is missing."""
        self.require_parts()
        return super().run()

    def require_parts(self) -> None:
        """Raise RefuseTask, with the package to install, when a part is missing."""
        words = lacking(self.parts)
        if words:
            raise RefuseTask(f"{self.method} {words}")
