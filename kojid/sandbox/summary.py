"""What the demo tells at its end."""

from __future__ import annotations

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


def lines(outcome: Outcome, command: str) -> Iterator[str]:
    """The summary.

    Args:
        outcome: of the demo.
        command: how the sandbox is called here.
    """
    yield ""
    yield f"Built {outcome.nvr} from {outcome.origin}."
    yield ""
    yield f"RPMs in {outcome.rpms[0].parents[1]}:"
    for path in outcome.rpms:
        yield f"  {path.parent.name}/{path.name}  {path.stat().st_size} bytes"
    yield f"Logs in {outcome.logs[0].parents[1]}: {', '.join(path.name for path in outcome.logs)}"
    yield f"The installed program, in a chroot, says: {outcome.greeting}"
    yield ""
    yield "Times:"
    for title, seconds in outcome.times:
        yield f"  {seconds:7.1f} s  {title}"
    yield f"  {sum(seconds for _, seconds in outcome.times):7.1f} s  in all"
    yield ""
    yield from _next(outcome, command)


def _next(outcome: Outcome, command: str) -> Iterator[str]:
    yield "What to try next:"
    yield f"  {command} up                                hub and builder in the background"
    yield f"  {command} status                            what runs, and where"
    yield f"  {command} koji taskinfo -r -v {outcome.task_id:<14} the real koji client: the build's tasks"
    yield f"  {command} koji buildinfo {outcome.nvr}"
    yield f"  {command} koji build --scratch demo YOUR.src.rpm"
    yield f"  {command} down                              end both;  reset: delete everything"
