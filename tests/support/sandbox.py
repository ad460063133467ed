"""A whole sandbox for end-to-end tests: hub, distribution, mock and builders as real processes below one directory.

box = Sandbox.make(directory, smtp_port)     # hub started, distribution imported
daemon = box.daemon("builder1")               # bin/kojid --fg --debug with a configuration of its own
daemon.start()
task_id = box.submit(srpm)
box.finish(task_id)                           # waits, returns the task's row
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO, Any, Dict, Iterator, List, Mapping, Optional, Sequence

import koji
from koji import GenericError

from kojid.sandbox import client, configuration, content, distro, layout, machinery, mock, setup
from kojid.sandbox.hub import authority
from kojid.sandbox.layout import Layout
from kojid.sandbox.requirements import environment
from kojid.sandbox.steps import Steps
from kojid.sandbox.tasktree import Node, Reader
from kojid.system import mounts, processes
from kojid.system.processes import ProcessId
from tests.support.waiting import wait_for as wait_for

ENDED = tuple(koji.TASK_STATES[name] for name in ("CLOSED", "CANCELED", "FAILED"))


class Daemon:
    """A `bin/kojid` process of one build host, with a configuration of its own.

    Args:
        box: the sandbox.
        name: of these tests' files, unique in the sandbox.
        host: the build host.
        options: of kojid.conf, in place of the sandbox's.
    """

    def __init__(self, box: Sandbox, name: str, host: str, options: Mapping[str, Any]) -> None:
        self.box = box
        self.name = name
        self.host = host
        self.dir = box.layout.dir / "daemons" / name
        self.options: Dict[str, Any] = {**box.builder_options(host, self.dir), **options}
        self.console = self.dir / "console.log"
        self.conf = self.dir / "kojid.conf"
        self.process: Optional[subprocess.Popen[bytes]] = None
        for directory in ("mockdir", "mock_config_dir", "workdir"):
            Path(self.options[directory]).mkdir(parents=True, exist_ok=True)
        shutil.chown(self.options["mockdir"], group="mock")
        Path(self.options["mockdir"]).chmod(0o2775)

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self, *arguments: str, ready: bool = True, timeout: float = 90) -> Daemon:
        """Start it with --fg --debug and these arguments, and wait until the hub has it ready."""
        self.launch(*arguments)
        if ready:
            begun = time.time()
            wait_for(lambda: self.reported_since(begun), timeout, f"{self.name} is not ready:\n{self.log[-3000:]}")
        return self

    def launch(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start it, without waiting for anything."""
        configuration.write_builder(self.conf, self.options)
        command = [*machinery.builder_program(), "--fg", "--debug", *arguments, "-c", str(self.conf)]
        with self.console.open("ab") as output:
            self.process = subprocess.Popen(
                command, cwd="/", env=environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        return self.process

    def reported_since(self, moment: float) -> bool:
        """Whether the hub has heard from it that it is ready; an ended daemon fails the test at once."""
        assert self.process is not None and self.process.poll() is None, f"{self.name} has ended:\n{self.log[-3000:]}"
        row = self.box.admin.getHost(self.host, strict=True)
        return bool(row["ready"] and (row["update_ts"] or 0) >= moment)

    def run(self, *arguments: str, timeout: float = 60) -> int:
        """Start it and wait for its end; returns the exit status."""
        self.launch(*arguments)
        return self.wait(timeout)

    def wait(self, timeout: float = 60) -> int:
        """Wait for its end; returns the exit status."""
        assert self.process is not None
        return self.process.wait(timeout)

    def stop(self, timeout: float = 60) -> Optional[int]:
        """End it as systemd does; returns the exit status, None if it never ran."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def descendants(self) -> List[ProcessId]:
        """Every process below it, but for the one that asks the file systems all the time."""
        return process_tree(self.pid, without="probe")

    def lines(self, pattern: str) -> List[str]:
        """The lines of its output that hold a regular expression."""
        return [line for line in self.log.splitlines() if re.search(pattern, line)]


class Sandbox:
    """A sandbox with its hub running.

    Args:
        made: its directories.
        hub: its hub, started.
        smtp_port: where the mail server of the tests listens.
    """

    def __init__(self, made: Layout, hub: machinery.Hub, smtp_port: int) -> None:
        self.layout = made
        self.hub = hub
        self.admin = hub.connect()
        self.smtp_port = smtp_port
        self.daemons: List[Daemon] = []
        self._uploads = 0

    @classmethod
    def make(cls, directory: Path, smtp_port: int, **settings: Any) -> Sandbox:
        """Make a sandbox in a directory as `kojid sandbox up --no-builder` does; distribution and cache are shared.

        Args:
            directory: that mock's user can enter.
            smtp_port: of the tests' mail server.
            settings: of the hub, in place of the usual ones.
        """
        mock.ensure_accounts()
        made = layout.create(directory, movable=False)
        share_distribution(made.distro)
        hub = machinery.Hub(made, machinery.usual_settings(made, settings))
        with open(os.devnull, "w") as nowhere:
            setup.bring_up(made, Steps(out=nowhere), hub)
        return cls(made, hub, smtp_port)

    def close(self) -> None:
        """End all daemons, the last one first, and then the hub; trouble with one does not save the others."""
        with contextlib.ExitStack() as stack:
            stack.callback(self.hub.stop)
            for daemon in self.daemons:
                stack.callback(daemon.stop)
            stack.callback(self.admin.rsession.close)
            with contextlib.suppress(GenericError):
                self.admin.logout()

    @contextlib.contextmanager
    def session(self, user: str) -> Iterator[Any]:
        """Another user's session; its socket is closed with the block, not in the middle of another test."""
        session = self.hub.connect(user)
        try:
            yield session
        finally:
            session.logout()
            session.rsession.close()

    def builder_options(self, host: str, directory: Path) -> Dict[str, Any]:
        """The options of a builder that shares nothing with others but hub and volume."""
        made = configuration.builder_options(self.layout, self.hub.urls(), setup.mock_path(self.layout), host)
        made.update(
            cert=authority.ensure(self.layout.ca_dir, host),
            workdir=directory / "work",
            mockdir=directory / "mock",
            mock_config_dir=directory / "etc" / "mock",
            log_file=directory / "kojid.log",
            task_log_dir=directory / "tasks",
            state_dir=directory / "state",
            sleeptime=1,
            max_load=0,  # the machine is shared with other tests
            smtphost=f"127.0.0.1:{self.smtp_port}",
            from_addr="builder@example.com",
        )
        return made

    def daemon(self, name: str, host: Optional[str] = None, **options: Any) -> Daemon:
        """A builder of its own for a host, which is made when it is not there; it is not started."""
        host = host or name
        if self.admin.getHost(host) is None:
            self.add_host(host)
        made = Daemon(self, name, host, options)
        self.daemons.append(made)
        return made

    def add_host(self, name: str) -> None:
        """A build host that only serves the channel of its own name."""
        self.admin.addHost(name, [content.machine_arch()])
        self.admin.removeHostFromChannel(name, "default")
        self.admin.addHostToChannel(name, name, create=True)
        self.admin.editHost(name, capacity=8.0)

    def koji(self, *arguments: str, timeout: float = 120, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the real koji client as the admin; with `check` a failure fails the test with its output."""
        done = subprocess.run(
            client.client_command(self.layout, list(arguments)),
            cwd=self.layout.dir,
            env=environment(),
            timeout=timeout,
            capture_output=True,
            text=True,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"koji {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done

    def upload(self, path: Path) -> str:
        """Upload a file as the client does; returns its path as tasks take it."""
        self._uploads += 1
        return client.upload(self.admin, path, f"cli-build/test-{self._uploads}")

    def submit(self, srpm: Path, package: str = "", **options: Any) -> int:
        """Have a source package built for the target demo; returns the task's id.

        Args:
            srpm: its file.
            package: its name; put on the destination tag's list unless empty.
            options: of the build task.
        """
        if package:
            content.add_packages(self.admin, content.DEST_TAG, [package])
        return int(self.admin.build(self.upload(srpm), content.TARGET, options))

    def task(self, method: str, *arguments: Any, channel: Optional[str] = None, **options: Any) -> int:
        """Make any task; returns its id."""
        opts = {**options, **({"channel": channel} if channel else {})}
        return int(self.admin.makeTask(method, list(arguments), **opts))

    def finish(self, task_id: int, timeout: float = 180) -> Dict[str, Any]:
        """Wait for a task's end and return its row, `state` in words."""

        def ended() -> Optional[Dict[str, Any]]:
            row: Dict[str, Any] = self.admin.getTaskInfo(task_id, strict=True)
            return row if row["state"] in ENDED else None

        row = wait_for(ended, timeout, f"task {task_id}")
        assert row is not None
        return {**row, "state": koji.TASK_STATES[row["state"]]}

    def closed(self, task_id: int, timeout: float = 180) -> Any:
        """Wait for a task's good end and return its result."""
        row = self.finish(task_id, timeout)
        assert row["state"] == "CLOSED", f"task {task_id}: {self.fault(task_id)}\n{self.describe(task_id)}"
        return self.admin.getTaskResult(task_id)

    def fault(self, task_id: int) -> Optional[GenericError]:
        """The fault of a failed task as clients get it; None without one."""
        try:
            self.admin.getTaskResult(task_id)
        except GenericError as error:
            return error
        return None

    def failed(self, task_id: int, timeout: float = 180) -> GenericError:
        """Wait for a task's failure and return its fault."""
        row = self.finish(task_id, timeout)
        fault = self.fault(task_id)
        assert row["state"] == "FAILED" and fault is not None, f"task {task_id} is {row['state']}"
        return fault

    def state(self, task_id: int) -> str:
        """A task's state in words."""
        return str(koji.TASK_STATES[self.admin.getTaskInfo(task_id, strict=True)["state"]])

    def tree(self, task_id: int) -> Node:
        """A task with all below it."""
        return Reader(self.admin).read(task_id)

    def describe(self, task_id: int) -> str:
        """A task's tree in lines, for messages."""
        return "\n".join(
            f"{'  ' * depth}{node.id} {node.label} {node.state}" for depth, node in self.tree(task_id).walk()
        )

    def child(self, task_id: int, method: str) -> Dict[str, Any]:
        """The only subtask of a method."""
        rows = [row for row in self.admin.getTaskChildren(task_id, request=True) if row["method"] == method]
        assert len(rows) == 1, f"{len(rows)} subtasks {method} of {task_id}"
        return dict(rows[0])

    def log(self, task_id: int, name: str) -> str:
        """A log that a task uploaded, read from the hub."""
        data: bytes = self.admin.downloadTaskOutput(task_id, name)
        return data.decode(errors="replace")

    def build_dir(self, build: Mapping[str, Any]) -> Path:
        """Where the hub keeps a build's files."""
        return Path(self.layout.paths.build(dict(build)))

    def regenerate(self, timeout: float = 120) -> int:
        """Have the build tag's repository generated; returns its id."""
        return int(self.closed(self.admin.newRepo(content.BUILD_TAG), timeout)[0])

    def processes(self) -> List[str]:
        """What runs in a chroot or a directory of mock's, anywhere in this sandbox: "PID PLACE COMMAND" each."""
        return running_below(self.layout.dir)

    def mounts(self) -> List[str]:
        """What is mounted in this sandbox."""
        return mounts.mounts_under(self.layout.dir)


def share_distribution(out: Path) -> None:
    """Put the machine's distribution, which one test run keeps for the next, into a sandbox."""
    kept = Path(os.environ.get("KOJID_TEST_CACHE") or f"/var/tmp/kojid-test-distribution-{os.geteuid()}")
    distro.make(kept)
    shutil.copytree(kept, out, copy_function=os.link, dirs_exist_ok=True)


def running_below(directory: Path) -> List[str]:
    """The processes whose root or working directory is below a directory: "PID PLACE COMMAND" each."""
    return sorted(filter(None, (_inside(pid, directory) for pid in processes.snapshot())))


def _inside(pid: int, directory: Path) -> str:
    """A process whose root or working directory is below `directory`, with that place; else an empty text."""
    for link in ("root", "cwd"):
        with contextlib.suppress(OSError):
            place = Path(os.readlink(f"/proc/{pid}/{link}"))
            if place.is_relative_to(directory):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                return f"{pid} {place} {words}"
    return ""


def process_tree(pid: int, without: str = "") -> List[ProcessId]:
    """Every process below one, by pid and start time; those of the name `without` are left out."""
    states = processes.snapshot()
    found: List[ProcessId] = []
    parents = {pid}
    while parents:
        children = [state for state in states.values() if state.parent in parents and state.name != without]
        found += [state.identity for state in children]
        parents = {state.pid for state in children}
    return found


def alive(ids: Sequence[ProcessId]) -> List[ProcessId]:
    """Those of the processes that have not ended."""
    return [
        one for one in ids if (state := processes.read_state(one.pid)) and state.identity == one and not state.ended
    ]


@contextlib.contextmanager
def open_directory() -> Iterator[Path]:
    """A new directory that every user can enter (pytest's own are closed), deleted afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="kojid-e2e-", dir="/var/tmp"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        left = mounts.mounts_under(directory)
        assert not left, f"still mounted: {left}"
        shutil.rmtree(directory)


def kojid_command(*arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run `bin/kojid` with these arguments to its end."""
    return subprocess.run(
        [*machinery.builder_program(), *arguments],
        cwd="/",
        env=environment(),
        timeout=timeout,
        capture_output=True,
        text=True,
        check=False,
    )


def start_kojid(*arguments: str, output: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start `bin/kojid` with these arguments; what it prints goes to a file."""
    command = [*machinery.builder_program(), *arguments]
    return subprocess.Popen(command, cwd="/", env=environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=output)
