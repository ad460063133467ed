"""What an administrator sees and does on a build host: status, drain, clean and logs, beside a daemon at work."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Iterator, List

import koji
import pytest

from tests.support import operator
from tests.support.builder import Builder, builder_of, wait_for
from tests.support.sandboxhub import SandboxHub, running_hub
from tests.support.terminal import Terminal

pytestmark = pytest.mark.e2e
OPEN = koji.TASK_STATES["OPEN"]
_REPORT = re.compile(r"^(\S+ \S+) INFO multiCall user=builder .* parts=\S*host\.updateHost")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHub]:
    with running_hub(tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.fixture
def builder(hub: SandboxHub, tmp_path: Path) -> Iterator[Builder]:
    with builder_of(hub, tmp_path / "builder") as made:
        made.start("--force-lock")
        wait_for(lambda: made.lines("Sleeping for") and ready(made), what=lambda: made.log[-3000:])
        yield made
        for row in made.admin.listTasks(opts={"state": [koji.TASK_STATES["FREE"], OPEN, koji.TASK_STATES["ASSIGNED"]]}):
            made.admin.cancelTask(row["id"])


def ready(builder: Builder) -> bool:
    return bool(builder.admin.getHost("builder")["ready"])


def control(builder: Builder) -> Path:
    return builder.dir / "state" / "ledger" / "control"


@contextlib.contextmanager
def connection(builder: Builder, data: bytes = b"") -> Iterator[socket.socket]:
    directory = os.open(control(builder).parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.settimeout(10)
            made.connect(f"/proc/self/fd/{directory}/control")
            made.sendall(data)
            yield made
    finally:
        os.close(directory)


def heartbeats(hub: SandboxHub) -> List[float]:
    """When the hub heard from the host, seconds since the epoch."""
    found = [match for match in map(_REPORT.match, hub.log().splitlines()) if match]
    return [datetime.datetime.strptime(match[1], "%Y-%m-%d %H:%M:%S,%f").timestamp() for match in found]


def test_status_tells_the_truth_before_during_and_after_a_kill_of_the_daemon(builder: Builder) -> None:
    tasks = [builder.task("sleep", 600) for _ in range(5)]
    pids = {number: builder.running(number).pid for number in tasks}

    before = operator.picture(builder.conf)
    assert (before["status"], before["daemon"], before["ready"]) == (0, "runs", True)
    assert before["pid"] == builder.process.pid  # type: ignore[union-attr]
    assert {task["id"]: task["pid"] for task in before["tasks"]} == pids
    assert {task["state"] for task in before["tasks"]} == {"running"}
    assert before["hub"]["latency"] < 10
    assert time.time() - before["hub"]["contact"] < 10
    assert before["next_beat"] <= 1
    assert before["certificate"]["days"] > 1
    for task in before["tasks"]:
        assert task["method"] == "sleep"
        assert task["phase"] == "at work"
        assert task["memory_bytes"] > 0
        assert task["log"]["path"].endswith(f"/{task['id']}.log")

    builder.kill()
    os.kill(pids[tasks[0]], signal.SIGKILL)
    wait_for(lambda: not Path(f"/proc/{pids[tasks[0]]}").exists())
    during = operator.picture(builder.conf)
    assert (during["status"], during["daemon"], during["ready"], during["pid"]) == (3, "dead", False, None)
    assert during["said"] <= during["time"]
    assert {task["id"]: task["state"] for task in during["tasks"]} == {
        number: "gone" if number == tasks[0] else "runs on" for number in tasks
    }
    text = operator.run(builder.conf, "status")
    assert text.returncode == 3
    assert "DOES NOT RUN" in text.stdout
    assert "4 tasks of it still run" in text.stdout

    builder.start("--force-lock")
    wait_for(lambda: len(builder.lines("re-attached")) == 4, what=lambda: builder.log[-3000:])
    wait_for(lambda: builder.record(tasks[0]) is not None and builder.record(tasks[0]).pid != pids[tasks[0]])  # type: ignore[union-attr]
    after = operator.picture(builder.conf)
    assert (after["status"], after["daemon"], after["ready"]) == (0, "runs", True)
    assert {task["id"] for task in after["tasks"]} == set(tasks)
    found = {task["id"]: task for task in after["tasks"]}
    for task in before["tasks"][1:]:
        assert found[task["id"]]["pid"] == task["pid"]
        assert found[task["id"]]["age"] > task["age"]
        assert found[task["id"]]["state"] == "running"


def test_parents_and_children_stand_as_a_tree_and_one_task_is_shown_in_full(builder: Builder) -> None:
    parent = builder.task("waittest", 1, 20)

    def children() -> list[Any]:
        found = operator.picture(builder.conf)["tasks"]
        return [task for task in found if task["parent"] == parent]

    wait_for(children)
    lines = operator.run(builder.conf, "status").stdout
    assert re.search(rf"^  {parent} waittest .*waits for its subtasks", lines, re.M)
    assert re.search(r"^  └ \d+ sleep", lines, re.M)
    one = operator.picture(builder.conf, str(parent))
    assert one["phase"] == "waiting"
    assert [phase["name"] for phase in one["phases"]] == ["at work", "waiting"]
    full = operator.run(builder.conf, "status", str(parent))
    assert full.stdout.startswith(f"task {parent} waittest")
    missing = operator.run(builder.conf, "status", "99999")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "task 99999 is not open on this host" in missing.stderr


def test_a_log_is_followed_to_the_end_of_its_task_and_kept(builder: Builder) -> None:
    task = builder.task("sleep", 3)
    builder.running(task)
    following = operator.start(builder.conf, "logs", str(task), "-f", "-n", "all")
    assert builder.ends(task) == "CLOSED"
    output, _ = following.communicate(timeout=120)
    assert following.returncode == 0
    assert "RESPONSE" in output
    again = operator.run(builder.conf, "logs", str(task), "-n", "1", "--log", "task")
    assert again.returncode == 0
    assert again.stdout.count("\n") == 1
    assert operator.run(builder.conf, "logs", "99999").returncode == 1


def test_a_drain_outlives_the_daemon_and_is_shown_to_everybody(builder: Builder, tmp_path: Path) -> None:
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(str(tmp_path / "notify"))
    task = builder.task("sleep", 6)
    builder.running(task)
    waiting = operator.start(builder.conf, "drain", "--wait", "--reason", "new disks")
    wait_for(lambda: not ready(builder))
    assert builder.lines("INFO", "Drained: new disks")
    builder.kill()
    builder.start("--force-lock", NOTIFY_SOCKET=str(tmp_path / "notify"))
    wait_for(lambda: builder.lines("Drained: new disks", "INFO")[1:])
    found = operator.picture(builder.conf)
    assert (found["ready"], found["reason"], found["drained"]["reason"]) == (False, "Drained: new disks", "new disks")
    refused = builder.task("sleep", 0)
    output, _ = waiting.communicate(timeout=120)
    assert (waiting.returncode, builder.state(task)) == (0, "CLOSED"), output
    assert f"task {task}" in output
    assert output.endswith("no task is left on this host\n")
    assert builder.state(refused) != "CLOSED"
    assert not ready(builder)
    done = operator.run(builder.conf, "undrain")
    assert done.returncode == 0
    assert builder.ends(refused) == "CLOSED"
    assert ready(builder)
    told.setblocking(False)
    messages = []
    with contextlib.suppress(BlockingIOError):
        while True:
            messages.append(told.recv(4096))
    told.close()
    assert any(b"not ready: Drained: new disks" in message for message in messages)


def test_a_wait_that_is_interrupted_leaves_the_host_drained_and_parents_that_only_wait_are_given_back(
    builder: Builder,
) -> None:
    builder.configure(maxjobs=1)
    builder.send(signal.SIGHUP)
    wait_for(lambda: len(builder.lines("Starting up")) == 2)
    parent = builder.task("waittest", 2, 3)
    wait_for(lambda: [row for row in builder.admin.getTaskChildren(parent) if row["state"] == OPEN])
    waiting = operator.start(builder.conf, "drain", "--wait")
    assert waiting.stdout is not None
    wait_for(lambda: "waiting for" in waiting.stdout.readline())  # type: ignore[union-attr]
    waiting.send_signal(signal.SIGINT)
    output, _ = waiting.communicate(timeout=120)
    assert waiting.returncode == 130
    assert "the host stays drained" in output
    late = operator.run(builder.conf, "drain", "--wait", "--timeout", "0.1", "--reason", "now in a hurry")
    assert late.returncode in (0, 5)
    done = operator.run(builder.conf, "drain", "--wait")
    assert done.returncode == 0, done.stdout
    assert builder.state(parent) in ("FREE", "ASSIGNED")
    assert operator.run(builder.conf, "undrain").returncode == 0
    assert builder.ends(parent) == "CLOSED"


def test_slow_and_hostile_clients_delay_no_heartbeat_and_keep_nobody_out(builder: Builder, hub: SandboxHub) -> None:
    begun = time.time()
    with contextlib.ExitStack() as stack:
        for number in range(60):
            kind = number % 4
            data = [b"", b'{"op": "sta', b"\0" * 9000, b'{"op": "status"}\n'][kind]
            with contextlib.suppress(ConnectionError, BlockingIOError):  # told no, or to come again
                stack.enter_context(connection(builder, data))
        asked = time.monotonic()
        assert operator.picture(builder.conf)["status"] == 0
        assert time.monotonic() - asked < 5
        for wrong in (b"[]\n", b"no json\n", b'{"op": "explode"}\n', b'{"op": {"a": []}}\n', b"\xff\xfe\n"):
            with connection(builder, wrong) as made:
                assert "error" in json.loads(made.recv(4096))
        with connection(builder) as slow:
            wait_for(lambda: slow.recv(1) == b"", 12)  # dropped, without an answer
    wait_for(lambda: heartbeats(hub)[-1] > begun + 5)
    beats = [moment for moment in heartbeats(hub) if moment >= begun - 1.5]
    assert max(later - earlier for earlier, later in zip(beats, beats[1:])) < 3.0  # a client is given 5 s
    assert builder.process is not None
    assert len(os.listdir(f"/proc/{builder.process.pid}/fd")) < 40


def test_asking_costs_the_hub_no_call(builder: Builder, hub: SandboxHub) -> None:
    calls = len(hub.calls())
    begun = time.time()
    for _ in range(200):
        with connection(builder, b'{"op": "status", "sizes": true}\n') as made:
            assert made.recv(65536).startswith(b"{")
    wait_for(lambda: heartbeats(hub)[-1] > begun + 2.2)
    seconds = heartbeats(hub)[-1] - begun
    later = [call.method for call in hub.calls()[calls:] if call.user == "builder"]
    assert set(later) <= {"multiCall", "host.getTasks"}, "a cycle and its light looks ask for nothing else"
    assert len(later) <= 2 * (seconds + 2)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
def test_nobody_but_root_is_answered(builder: Builder) -> None:
    script = (
        "import socket, sys\n"
        "made = socket.socket(socket.AF_UNIX)\n"
        "made.connect(f'/proc/self/fd/{sys.argv[1]}/control')\n"
        'made.sendall(b\'{"op": "status"}\\n\')\n'
        "print(made.recv(4096).decode())\n"
    )

    def ask_as_nobody() -> subprocess.CompletedProcess[str]:
        directory = os.open(control(builder).parent, os.O_PATH)
        try:
            return subprocess.run(
                ["/usr/bin/python3", "-c", script, str(directory)],
                user=65534, group=65534, extra_groups=[], pass_fds=[directory], cwd="/",
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        finally:
            os.close(directory)

    assert control(builder).stat().st_mode & 0o777 == 0o600
    assert control(builder).parent.stat().st_mode & 0o777 == 0o700
    assert "PermissionError" in ask_as_nobody().stderr
    control(builder).parent.chmod(0o711)
    control(builder).chmod(0o666)
    assert json.loads(ask_as_nobody().stdout) == {"error": "only root is answered here, not the user with the id 65534"}


def test_status_goes_on_after_a_hup(builder: Builder) -> None:
    assert builder.process is not None
    pid = builder.process.pid
    starts = len(builder.lines("Starting up"))
    builder.send(signal.SIGHUP)
    while len(builder.lines("Starting up")) == starts:
        found = operator.picture(builder.conf)
        assert (found["daemon"], found["pid"]) in (("runs", pid), ("silent", pid)), found
    wait_for(lambda: operator.picture(builder.conf)["status"] == 0)
    assert operator.picture(builder.conf)["pid"] == pid


def test_a_daemon_that_hangs_is_told_from_one_that_is_gone(builder: Builder) -> None:
    assert builder.process is not None
    builder.send(signal.SIGSTOP)
    try:
        found = operator.picture(builder.conf)
    finally:
        builder.send(signal.SIGCONT)
    assert (found["status"], found["daemon"], found["pid"]) == (4, "silent", builder.process.pid)
    assert "does not answer" in found["trouble"]


def garbage(builder: Builder) -> tuple[Path, Path]:
    """A stray buildroot of 3 MiB and a dead task's working directory, both old."""
    root = builder.dir / "mock" / "tag-5-7" / "root"
    root.mkdir(parents=True)
    (root / "file").write_bytes(b"x" * (3 << 20))
    dead = builder.dir / "work" / "tasks" / "999" / "999"
    dead.mkdir(parents=True)
    for place in (root, root.parent, dead):
        os.utime(place, (0, 0))
    return root.parent, dead


def test_a_clean_up_is_told_beforehand_and_done_at_once(builder: Builder) -> None:
    cycles = len(builder.lines("Sleeping for"))
    wait_for(lambda: len(builder.lines("Sleeping for")) > cycles + 2)  # it has looked for strays by itself
    stray, dead = garbage(builder)
    listed = operator.run(builder.conf, "clean", "--dry-run")
    assert listed.returncode == 0, listed.stderr
    assert re.search(r"would go: stray buildroot tag-5-7, 3\.\d MiB: nobody uses it", listed.stdout)
    assert f"would go: working directory {dead}" in listed.stdout
    assert "2 things would go, 3." in listed.stdout
    assert stray.exists()
    assert dead.exists()
    done = operator.run(builder.conf, "clean")
    assert done.returncode == 0, done.stderr
    assert "stray buildroot tag-5-7: removed" in done.stdout
    assert not stray.exists()
    assert not dead.exists()
    assert "nothing to clean up" in operator.run(builder.conf, "clean", "--dry-run").stdout


def test_without_a_daemon_it_is_done_by_the_ledger_and_spares_what_living_tasks_have(builder: Builder) -> None:
    task = builder.task("sleep", 600)
    builder.running(task)
    builder.kill()
    mine = builder.dir / "work" / "tasks" / str(task) / str(task)
    mine.mkdir(parents=True, exist_ok=True)
    os.utime(mine, (0, 0))
    stray, dead = garbage(builder)
    listed = operator.run(builder.conf, "clean", "--dry-run")
    assert "no daemon runs" in listed.stderr
    assert f"working directory {dead}" in listed.stdout
    assert str(mine) not in listed.stdout
    assert operator.run(builder.conf, "clean", "--all").returncode == 0
    assert not stray.exists()
    assert not dead.exists()
    assert mine.exists()


def test_a_host_can_be_drained_while_no_daemon_runs(builder: Builder) -> None:
    builder.kill()
    done = operator.run(builder.conf, "drain", "--wait", "--reason", "on holiday")
    assert (done.returncode, "the next one will know" in done.stdout) == (0, True)
    assert operator.picture(builder.conf)["drained"]["reason"] == "on holiday"
    builder.start("--force-lock")
    wait_for(lambda: not ready(builder))
    assert operator.run(builder.conf, "undrain").returncode == 0
    wait_for(lambda: ready(builder))
    assert "was not drained" in operator.run(builder.conf, "undrain").stdout


@pytest.mark.parametrize("name", ["status", "logs", "drain", "undrain", "clean", "top"])
def test_each_of_them_explains_itself(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(operator.ROOT / "bin" / "kojid"), name, "--help"],
        capture_output=True, text=True, check=True, cwd="/",
    )  # fmt: skip
    assert done.stdout.startswith(f"usage: kojid {name}")
    assert "--config" in done.stdout
    assert "exit status:" in done.stdout
    broken = tmp_path / "kojid.conf"
    broken.write_text("[kojid]\nservr = x\n")
    arguments = ["7"] if name == "logs" else []
    wrong = operator.run(broken, name, *arguments)
    assert wrong.returncode == 1
    assert "did you mean server?" in wrong.stderr


def test_top_shows_the_host_live_on_a_plain_terminal_and_leaves_it_as_it_was(builder: Builder) -> None:
    tasks = [builder.task("sleep", 600) for _ in range(2)]
    for number in tasks:
        builder.running(number)
    program = operator.command(builder.conf, "top", "--interval", "0.5")
    with Terminal(program, LANG="C.UTF-8", PYTHONUTF8="1") as terminal:
        text = terminal.shows("q quit")
        assert len(text.splitlines()) == 24
        assert text.splitlines()[0].startswith(" kojid on ")
        assert ": ready, since" in text.splitlines()[0]
        for words in ("load ", "memory used", "disk: ", "tasks 2 of 10", "buildroots", "AGE", f"{tasks[0]} sleep"):
            assert words in text, text
        terminal.shows("▁")
        third = builder.task("sleep", 600)
        terminal.shows(f"{third} sleep")
        terminal.press("j\r")
        terminal.shows(f"task {tasks[1]} sleep")
        terminal.shows("phases:")
        terminal.press("l")
        terminal.shows(f"log of task {tasks[1]}")
        terminal.press("\x1b")
        terminal.shows("phases:")
        terminal.press("\x1b")
        terminal.shows("AGE")
        terminal.press("?")
        terminal.shows("the selected task in full")
        terminal.press("? ")
        terminal.shows("HELD 0.5 s")
        terminal.press(" ---")
        terminal.shows("5 s ")
        terminal.press("+++")
        operator.run(builder.conf, "drain", "--reason", "new disks")
        terminal.shows("NOT READY: Drained: new disks")
        operator.run(builder.conf, "undrain")
        builder.kill()
        terminal.shows("DOES NOT RUN")
        terminal.shows("runs on")
        terminal.press("q")
        assert terminal.wait() == 0
        assert terminal.settings == terminal.before


def test_top_shows_its_plots_on_a_terminal_without_unicode_and_on_a_tiny_one(builder: Builder) -> None:
    program = operator.command(builder.conf, "top", "--interval", "0.5")
    with Terminal(program, 40, 10, PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C") as terminal:
        text = terminal.shows("load ")
        assert text.isascii()
        terminal.press("\x03")
        assert terminal.wait() == 0


def test_top_says_what_it_lacks(builder: Builder, tmp_path: Path) -> None:
    done = operator.run(builder.conf, "top")
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no terminal" in done.stderr
    script = "import sys; sys.modules['rich'] = None; from kojid.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", script, "top", "-c", str(builder.conf)]
    missing = subprocess.run(command, capture_output=True, text=True, check=False, cwd=operator.ROOT)
    assert missing.returncode == 1
    assert "python3-rich" in missing.stderr
    assert missing.stderr.count("\n") == 1
