"""What the demo tells at its end."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterator, List, Tuple


@dataclass
class Outcome:
    """What came of the demo.

    Args:
        origin: where the source came from, in words.
        task_id: the build's task.
        nvr: the build.
        rpms: its packages' files.
        logs: its logs' files.
        greeting: what the installed program printed.
        times: the steps and their seconds.
    """

    origin: str
    task_id: int
    nvr: str
    rpms: List[Path]
    logs: List[Path]
    greeting: str = ""
    times: List[Tuple[str, float]] = field(default_factory=list)


def lines(outcome: Outcome, place: str) -> Iterator[str]:
    """The summary.

    Args:
        outcome: of the demo.
        place: the option that names the sandbox's directory, empty for the default one.
    """
    yield ""
    yield f"Built {outcome.nvr} from {outcome.origin}."
    yield ""
    yield f"RPMs in {outcome.rpms[0].parents[1]}:"
    for path in outcome.rpms:
        yield f"  {path.parent.name}/{path.name}  {path.stat().st_size} bytes"
    yield f"Logs in {outcome.logs[0].parents[1]}:"
    yield f"  {', '.join(path.name for path in outcome.logs)}"
    yield f"The installed program, in a chroot, says: {outcome.greeting}"
    yield ""
    yield "Times:"
    for title, seconds in outcome.times:
        yield f"  {seconds:7.1f} s  {title}"
    yield f"  {sum(seconds for _, seconds in outcome.times):7.1f} s  in all"
    yield ""
    yield from _next(outcome, place)


def _next(outcome: Outcome, place: str) -> Iterator[str]:
    rows = (
        ("up", "", "hub and builder in the background"),
        ("status", "", "what runs, and where"),
        ("koji", f" taskinfo -r -v {outcome.task_id}", "the real koji client: the build's tasks"),
        ("koji", f" buildinfo {outcome.nvr}", "the build"),
        ("koji", " build --scratch demo YOUR.src.rpm", "a package of your own"),
        ("down", "", "end both; 'reset' deletes everything"),
    )
    yield "What to try next:"
    commands = [f"{program()} {name}{place}{arguments}" for name, arguments, _ in rows]
    width = max(map(len, commands))
    for command, (_, _, words) in zip(commands, rows):
        yield f"  {command:<{width}}  # {words}"


def program() -> str:
    """How the sandbox is called from here."""
    launcher = Path(sys.argv[0]).absolute()
    near = launcher.is_relative_to(Path.cwd()) and launcher.name == "kojid"
    return f"{launcher.relative_to(Path.cwd())} sandbox" if near else "kojid sandbox"
