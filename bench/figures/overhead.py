"""What the builder adds to a tool that it runs: a command with its log on the hub, and a call of mock.

Both tools do nothing here but write a line, so that all of the time is the builder's own. All runs in this process, as
it does in a task's.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence

import koji
import koji.daemon

from bench.harness import Bench, Figure, Results, measures, ratio
from bench.scene import Scene, scene
from kojid.buildroot import logs, mock
from kojid.buildroot.buildroot import BuildRoot
from kojid.config.options import Options
from kojid.hub.session import login
from kojid.hub.upload import Uploader
from kojid.sandbox.mock import ensure_accounts
from kojid.system import process

_STUB = """#!/bin/sh
echo a call of mock
"""
_COMMAND = ["/bin/echo", "a command"]
_MOCK_PEER = (
    "a stand-in for the loop of the stock daemon, which is in no library: fork, sleep 1 s, waitpid, the logs, until "
    "mock has ended, then the logs again (contract 7.5; 11.4, item 41), with the library's `incremental_upload`"
)


@measures(
    Figure(
        "command-overhead",
        "s",
        "a command with its log on the hub, beyond the command itself",
        ratio(0.1),
        "`koji.daemon.log_output`",
        "`echo` with its log uploaded, less the time of `echo` alone",
        "does not grow",
    ),
    Figure(
        "mock-overhead",
        "s",
        "a call of mock with its log on the hub, beyond mock itself",
        ratio(0.1),
        _MOCK_PEER,
        "`BuildRoot.mock` with a mock that only writes a line, less the time of that alone",
        "by a request for each log",
    ),
)
def tools(bench: Bench) -> Results:
    """Commands and calls of mock, of either side in turn."""
    if os.geteuid() == 0:
        ensure_accounts()
    with scene(bench, ("ours", "peer")) as place:
        ours, peer = _Host(place, "ours"), _Host(place, "peer")
        session = login(ours.options)
        session.exclusiveSession(force=True)
        ours.open_task(session)
        stock = place.hub.session("peer", exclusive=True)
        peer.open_task(stock)
        root = BuildRoot(session, ours.options, ours.tag, "x86_64", ours.task_id, repo_id=ours.repo_id)
        root.workdir = str(ours.workdir)

        def our_command() -> None:
            path = ours.log()
            streamer = logs.follow(Uploader(session, koji.pathinfo.taskrelpath(ours.task_id)).block, str(path))
            process.run(_COMMAND, timeout=60, log=path, on_tick=streamer.tick)
            streamer.finish()

        def our_mock() -> None:
            assert root.mock(mock.init()) == 0

        def peer_command() -> None:
            path = peer.log()
            upload = koji.pathinfo.taskrelpath(peer.task_id)
            assert koji.daemon.log_output(stock, _COMMAND[0], _COMMAND, str(path), upload, logerror=1) == 0

        def peer_mock() -> None:
            documented_loop(stock, [peer.options.mockpath, "--init"], peer.log(), peer.task_id)

        try:
            return bench.pairs(
                lambda: _beyond(ours, our_command, our_mock), lambda: _beyond(peer, peer_command, peer_mock)
            )
        finally:
            session.logout()


class _Host:
    """A build host with a task and a repo, as the session that opens the task makes them."""

    def __init__(self, place: Scene, name: str) -> None:
        self._place = place
        self.name = name
        self.tag = f"{name}-build"
        values = place.fleet.builder_options(name, place.fleet.dir / name)
        for option in ("workdir", "mockdir", "mock_config_dir"):
            Path(values[option]).mkdir(parents=True)
        self.workdir = Path(values["workdir"])
        stub = self.workdir / "mock"
        stub.write_text(_STUB)
        stub.chmod(0o755)
        texts = {option: str(value) if isinstance(value, Path) else value for option, value in values.items()}
        self.options: Any = Options({**texts, "mockpath": str(stub)})
        self.options.split_topurl()
        self.task_id = self.repo_id = self._logs = 0

    def open_task(self, session: Any) -> None:
        """Have a task of the host open, and a repo."""
        self._place.admin.createTag(self.tag, arches="x86_64")
        self.task_id = self._place.task(self.name, "buildArch", self.tag)
        session.host.openTask(self.task_id)
        self.repo_id, _event = session.host.repoInit(self.tag, task_id=self.task_id)
        session.host.repoDone(self.repo_id, {})

    def log(self) -> Path:
        """The path of a new log."""
        self._logs += 1
        return self.workdir / f"{self._logs}.log"


def documented_loop(session: Any, argv: Sequence[str], log: Path, task_id: int) -> None:
    """How the stock daemon runs mock, as its contract has it (7.5): it looks for the end once a second."""
    upload = koji.pathinfo.taskrelpath(task_id)
    with log.open("ab") as output, log.open("rb") as grown:
        child = subprocess.Popen(argv, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        while True:
            time.sleep(1)
            ended = child.poll()
            koji.daemon.incremental_upload(session, log.name, grown, upload)
            if ended is not None:
                break
        koji.daemon.incremental_upload(session, log.name, grown, upload)
    assert ended == 0


def _beyond(host: _Host, command: Callable[[], None], call: Callable[[], None]) -> Dict[str, float]:
    """One sample of both figures."""
    return {
        "command-overhead": _took(command) - _took(lambda: _alone(_COMMAND)),
        "mock-overhead": _took(call) - _took(lambda: _alone([host.options.mockpath, "--init"])),
    }


def _alone(argv: List[str]) -> None:
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


def _took(action: Callable[[], None]) -> float:
    begun = time.monotonic()
    action()
    return time.monotonic() - begun
