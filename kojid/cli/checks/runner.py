"""Running checks, each within its time: in a process of their own, which is given up when it gets stuck.

A dead mount keeps whoever asks it in the kernel for good, a plugin may end its process, a damaged library kill it. So
a process works through the rows and tells by a pipe what it finds; when it stops telling, that is a finding, and
another process goes on with the next row.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Iterable, Iterator, List, Optional, Sequence, Type

from kojid.cli.checks.base import ERROR, LOGIN, WARNING, Check, Context, Finding, skipped, told, wrong
from kojid.errors import KojidError, explain
from kojid.system import process

_BLOCK = 65536
_KILL_SECONDS = 1.0
_LOGOUT_SECONDS = 12.0
_PAUSE = 0.01


@dataclass(frozen=True)
class Result:
    """What was found, and by which row.

    Args:
        section: of the row.
        name: of the row.
        level: OK, WARNING, ERROR or SKIPPED.
        text: one line.
        remedy: what to do; empty when there is nothing.
    """

    section: str
    name: str
    level: str
    text: str
    remedy: str


@dataclass(frozen=True)
class _Job:
    check: Check
    argument: Optional[str] = None

    def result(self, finding: Finding) -> Result:
        remedy = finding.remedy or self.check.remedy if finding.level in (WARNING, ERROR) else ""
        return Result(self.check.section, self.check.name, finding.level, finding.text, remedy)

    @property
    def subject(self) -> str:
        """What it looks at."""
        return self.check.what if self.argument is None else f"{self.check.what} {self.argument}"

    def look(self, context: Context) -> Iterable[Finding]:
        check = self.check
        why = _why_not(check, context)
        if why:
            return [skipped(why)]
        return check.look(context) if self.argument is None else check.look(context, self.argument)


def carry_out(checks: Sequence[Check], context: Context) -> Iterator[Result]:
    """Do the checks in their order; each finding comes as soon as it is there.

    Raises:
        HostFault: no process can be started.
    """
    for jobs in _batches(_jobs(checks, context)):
        waiting = deque(jobs)
        while waiting:
            with _Worker(list(waiting), context) as worker:
                while waiting and not worker.lost:
                    job = waiting.popleft()
                    yield from map(job.result, worker.findings(job))


def _jobs(checks: Sequence[Check], context: Context) -> Iterator[_Job]:
    for check in checks:
        if check.each is None:
            yield _Job(check)
        else:
            yield from (_Job(check, argument) for argument in check.each(context.options))


def _why_not(check: Check, context: Context) -> str:
    """Why a row is not looked at; empty when it is."""
    if check.needs and context.offline:
        return "not looked at: --offline"
    if check.needs and not context.options.server:
        return "there is no server to ask"
    if check.needs == LOGIN and context.hub.trouble is not None:
        return "needs the login"
    return ""


def _batches(jobs: Iterable[_Job]) -> Iterator[List[_Job]]:
    """Rows that share a process."""
    batch: List[_Job] = []
    for job in jobs:
        if batch and (job.check.alone or batch[-1].check.alone):
            yield batch
            batch = []
        batch.append(job)
    if batch:
        yield batch


class _Worker:
    """The process that does some rows; as a context manager it is ended, and given up if it can't be.

    Args:
        jobs: the rows, in their order.
        context: what they look at.

    Attributes:
        lost: whether it has stopped telling.
    """

    def __init__(self, jobs: Sequence[_Job], context: Context) -> None:
        self.lost = False
        self._rest = b""
        self._reader, writer = os.pipe2(os.O_CLOEXEC)
        try:
            self._pid = process.fork(lambda: _serve(jobs, context, writer), name="check")
        finally:
            os.close(writer)

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], *_error: object) -> None:
        if kind is None and not self.lost:
            self._line(time.monotonic() + _LOGOUT_SECONDS)  # the end of the pipe: it has logged out
        process.terminate(self._pid, ((signal.SIGKILL, _KILL_SECONDS),))
        with contextlib.suppress(ChildProcessError):
            process.reap(self._pid)
        os.close(self._reader)

    def findings(self, job: _Job) -> Iterator[Finding]:
        """What comes of a row; to be asked for in the order of the rows."""
        deadline = time.monotonic() + job.check.seconds
        while True:
            line = self._line(deadline)
            if not line:
                self.lost = True
                yield wrong(f"{job.subject}: {self._end() if line == b'' else _silent(job)}")
                return
            said = json.loads(line)
            if said is None:
                return
            yield Finding(*said)

    def _line(self, deadline: float) -> Optional[bytes]:
        """The next line; empty at the end of the pipe, None when the time is up."""
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._reader], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                return None
            data = os.read(self._reader, _BLOCK)
            if not data:
                return b""
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _end(self) -> str:
        """How it ended, in words."""
        deadline = time.monotonic() + _KILL_SECONDS
        while time.monotonic() < deadline:
            status = process.reap(self._pid)
            if status is not None:
                return f"the process that looked {status.describe()}"
            time.sleep(_PAUSE)
        return "the process that looked has gone silent"


def _silent(job: _Job) -> str:
    return f"no answer within {job.check.seconds:g} seconds"


def _serve(jobs: Sequence[_Job], context: Context, pipe: int) -> None:
    """In the process: do the rows, a line for each finding and `null` at the end of each row."""
    nowhere = open(os.devnull, "r+", encoding="utf-8")  # noqa: SIM115 - for as long as the process lasts
    for descriptor in (0, 1, 2):
        os.dup2(nowhere.fileno(), descriptor)  # what libraries and plugins print would get into the report
    sys.stdout = sys.stderr = nowhere
    sys.dont_write_bytecode = True  # beside plugins
    try:
        for job in jobs:
            for finding in _findings(job, context):
                _write(pipe, [finding.level, finding.text, finding.remedy])
            _write(pipe, None)
    finally:
        context.close()


def _findings(job: _Job, context: Context) -> Iterator[Finding]:
    try:
        yield from job.look(context)
    except KojidError as error:
        yield told(error)
    except process.CommandTimeout as error:
        yield wrong(f"{job.subject}: {error}")
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        yield wrong(f"{job.subject}: {error.strerror or explain(error)}{place}")
    except Exception as error:
        yield wrong(f"{job.subject}: the check failed: {type(error).__name__}: {explain(error)}", "report this")


def _write(pipe: int, said: Any) -> None:
    data = json.dumps(said).encode() + b"\n"
    while data:
        data = data[os.write(pipe, data) :]
