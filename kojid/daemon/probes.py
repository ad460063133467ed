"""What the file systems that work depends on have left, and whether they answer at all, known without ever waiting.

A helper process asks (design, decision 4), always the same one, since forking for each beat would cost more than the
rest of the beat; the daemon reads the last answers. As long as it hangs in the kernel no other one is started, and its
places count as not answering.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from dataclasses import dataclass
from typing import Callable, Dict, Optional

from kojid.config.options import Options
from kojid.daemon.loop import Loop
from kojid.daemon.supervisor import Supervisor
from kojid.errors import HostFault, explain
from kojid.system import fsprobe
from kojid.system.storage import Room

_log = logging.getLogger("koji.TaskManager")
_SHORTEST_INTERVAL = 2.0  # seconds between two rounds however many cycles there are
PLACES = ("mockdir", "workdir", "topdir", "log_file")


@dataclass(frozen=True)
class Answer:
    """What is known of a place.

    Args:
        path: the directory that was asked about.
        room: what is left there; None when that is not known.
        trouble: why it is not known: the system's words, "does not answer", or "not asked yet".
        asked: when it was asked, monotonic.
    """

    path: str
    room: Optional[Room] = None
    trouble: str = ""
    asked: float = 0.0

    @property
    def missing(self) -> bool:
        """Whether there is no such directory."""
        return self.trouble == os.strerror(2)


class Probes:
    """Keeps the answers fresh.

    Args:
        loop: where the answers arrive.
        options: the daemon's settings.
        supervisor: runs the asking process.
        on_event: called when a place begins or ceases to answer, the first answer included.
    """

    def __init__(self, loop: Loop, options: Options, supervisor: Supervisor, on_event: Callable[[], None]) -> None:
        self._loop = loop
        self._supervisor = supervisor
        self._on_event = on_event
        self._timeout = float(options.mount_timeout)
        self._paths = {name: str(getattr(options, name)) for name in PLACES}
        self._paths["log_file"] = os.path.dirname(os.path.abspath(options.log_file))
        self._answers = {name: Answer(path, None, "not asked yet") for name, path in self._paths.items()}
        self._round: Optional[_Round] = None
        self._asker: Optional[_Asker] = None
        self._last = float("-inf")

    def answer(self, place: str) -> Answer:
        """The last answer of one of PLACES."""
        return self._answers[place]

    def refresh(self) -> None:
        """Begin to ask anew, unless that is under way or has just been done."""
        now = time.monotonic()
        if self._round is not None or now - self._last < _SHORTEST_INTERVAL:
            return
        self._last = now
        try:
            if self._asker is None:
                self._asker = self._start()
            os.write(self._asker.requests, b"?")
        except HostFault as error:
            _log.warning("the file systems can't be asked: %s", explain(error))
            return
        except BrokenPipeError:
            return  # it was killed; its end is about to be noticed
        self._round = asked = _Round(now)
        self._loop.at(now + self._timeout, lambda: self._late(asked))

    def _start(self) -> _Asker:
        """A process that asks whenever it is told to. Raises HostFault."""
        reader, answers = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        told, requests = os.pipe2(os.O_CLOEXEC)

        def main() -> None:
            os.close(requests)
            os.close(reader)
            fsprobe.serve(self._paths, told, answers, self._timeout)

        asker = _Asker(reader, requests)
        try:
            self._supervisor.help_with(main, "probe", lambda _status: self._ended(asker))
        except HostFault:
            asker.close()
            raise
        finally:
            os.close(told)
            os.close(answers)
        self._loop.watch(reader, lambda: self._hear(asker))
        return asker

    def wait(self, seconds: float) -> None:
        """At the start: ask, and give the first answers so much time to come."""
        self.refresh()
        deadline = time.monotonic() + seconds
        while self._round is not None and not self._round.settled and time.monotonic() < deadline:
            self._loop.turn(deadline)

    def abandon(self) -> None:
        """In a forked child: close what is the daemon's."""
        if self._asker is not None:
            self._asker.close()

    def _hear(self, asker: _Asker) -> None:
        if not asker.read(self._round):
            self._loop.unwatch(asker.reader)
        asked = self._round
        if asked is not None and len(asked.answers) == len(self._paths):
            self._settle(asked)
            self._round = None

    def _late(self, asked: _Round) -> None:
        if asked is self._round:
            self._settle(asked)  # it stays: nobody else asks as long as the process hangs

    def _ended(self, asker: _Asker) -> None:
        asker.read(self._round)
        self._loop.unwatch(asker.reader)
        asker.close()
        self._asker = None
        if self._round is not None:
            self._settle(self._round)
            self._round = None

    def _settle(self, asked: _Round) -> None:
        """Take over what was answered; what was not does not answer."""
        if asked.settled:
            return
        asked.settled = True
        before = {name: answer.trouble for name, answer in self._answers.items()}
        for name, path in self._paths.items():
            room, trouble = asked.answers.get(name, (None, f"does not answer in {self._timeout:g} s"))
            self._answers[name] = Answer(path, room, trouble, asked.begun)
        if before != {name: answer.trouble for name, answer in self._answers.items()}:
            self._on_event()


class _Round:
    """One question to all places, and what has come of it so far."""

    def __init__(self, begun: float) -> None:
        self.begun = begun
        self.answers: Dict[str, tuple[Optional[Room], str]] = {}
        self.settled = False


class _Asker:
    """The asking process: the ends of its pipes that are the daemon's."""

    def __init__(self, reader: int, requests: int) -> None:
        self.reader = reader
        self.requests = requests
        self._rest = b""

    def read(self, asked: Optional[_Round]) -> bool:
        """Take in what is there, for the present question; False at the end of the pipe."""
        with contextlib.suppress(BlockingIOError):
            while True:
                data = os.read(self.reader, 4096)
                *lines, self._rest = (self._rest + data).split(b"\n")
                for line in lines:
                    name, room, trouble = fsprobe.parse(line)
                    if asked is not None:
                        asked.answers[name] = (room, trouble)
                if not data:
                    return False
        return True

    def close(self) -> None:
        """The process has ended, or could not be started."""
        os.close(self.reader)
        os.close(self.requests)
