"""What the sub-commands for administrators share: the configuration, and asking the daemon of this host.

No hub is asked; that is what makes them work when nothing else does.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import io
import json
import os
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional

from kojid.config import loader
from kojid.config.loader import DEFAULT_FILE
from kojid.config.options import Options
from kojid.daemon import control
from kojid.daemon.ledger import Ledger
from kojid.daemon.mailbox import short_path
from kojid.errors import KojidError
from kojid.system import processes

FAILED = 1
NO_DAEMON = 3
SILENT = 4
INTERRUPTED = 130
_BLOCK = 65536
_ANSWER_SECONDS = 3.0  # the daemon's loop turns at once, unless it waits for the hub
_START_SECONDS = 3.0  # a daemon that is being replaced in place has no socket for a moment
_PAUSE = 0.1
_FLOCK = struct.Struct("hhqqi4x")  # of 64-bit systems


class NoDaemon(KojidError):
    """No daemon runs here."""

    exit_status = NO_DAEMON


class Silent(KojidError):
    """A daemon runs here and does not answer."""

    exit_status = SILENT


def parser(name: str, description: str, epilog: str = "") -> argparse.ArgumentParser:
    """A parser with what all of them take."""
    made = argparse.ArgumentParser(
        prog=f"kojid {name}",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "-c",
        "--config",
        type=Path,
        default=DEFAULT_FILE,
        metavar="FILE",
        help=f"the daemon's configuration, a file or a directory of them (default: {DEFAULT_FILE})",
    )
    return made


def carry_out(name: str, work: Callable[[], int]) -> int:
    """Run a sub-command; what goes wrong is one line on stderr and an exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that can't show a character is no reason to fail
    try:
        return work()
    except KojidError as error:
        print(f"kojid {name}: {error}", file=sys.stderr)
        return error.exit_status
    except PermissionError as error:
        print(f"kojid {name}: {error.filename or ''}: {error.strerror}; try it as root", file=sys.stderr)
        return FAILED
    except BrokenPipeError:  # whoever read our output has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        return INTERRUPTED


def options_of(config: Path) -> Options:
    """The daemon's settings. Raises ConfigError or UsageError."""
    return loader.load(config).options


def ledger_of(options: Options) -> Ledger:
    """The daemon's ledger, to be read."""
    return Ledger(Path(options.state_dir) / "ledger")


def ask(options: Options, seconds: float = _ANSWER_SECONDS, **request: Any) -> Dict[str, Any]:
    """Ask the daemon.

    Args:
        options: its settings.
        seconds: how long it may take to answer.
        request: see `kojid.daemon.overview`.

    Raises:
        NoDaemon: none runs here.
        Silent: it does not answer, or what it answers is an error.
        PermissionError: who asks is not root.
    """
    deadline = time.monotonic() + max(seconds, _START_SECONDS)
    while True:
        answer = _try(options, request, seconds, last=time.monotonic() >= deadline)
        if answer is not None:
            return answer
        time.sleep(_PAUSE)


def _try(options: Options, request: Mapping[str, Any], seconds: float, *, last: bool) -> Optional[Dict[str, Any]]:
    """One attempt; None when there is a daemon and no socket of it, unless it is the `last` one."""
    try:
        return _checked(_exchange(ledger_of(options).directory, request, seconds))
    except PermissionError:
        raise
    except (ConnectionError, FileNotFoundError, BlockingIOError) as error:
        pid = daemon_pid(options)
        if pid is None:
            raise NoDaemon(f"no kojid runs with the state_dir {options.state_dir}") from error
        if last:
            raise Silent(f"kojid runs (pid {pid}) and does not answer: it is starting or stopping") from error
        return None
    except OSError as error:
        raise _silent(options, error) from error


def _silent(options: Options, error: OSError) -> KojidError:
    pid = daemon_pid(options)
    if pid is None:
        return NoDaemon(f"no kojid runs with the state_dir {options.state_dir}")
    if isinstance(error, socket.timeout):
        return Silent(f"kojid runs (pid {pid}) and does not answer: it waits for the hub, or it hangs")
    return Silent(f"kojid runs (pid {pid}) and can't be asked: {error.strerror or error}")


def _exchange(directory: Path, request: Mapping[str, Any], seconds: float) -> bytes:
    with contextlib.ExitStack() as stack:
        asking = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        asking.settimeout(seconds)
        address = stack.enter_context(short_path(directory, control.NAME))
        asking.connect(address)
        asking.sendall(json.dumps(request).encode() + b"\n")
        data = b""
        while not data.endswith(b"\n"):
            more = asking.recv(_BLOCK)
            if not more:
                raise ConnectionResetError("the daemon has hung up")
            data += more
        return data


def _checked(data: bytes) -> Dict[str, Any]:
    answer: Dict[str, Any] = json.loads(data)
    if answer.get("error"):
        raise Silent(f"kojid answers: {answer['error']}")
    return answer


def daemon_pid(options: Options) -> Optional[int]:
    """The daemon's process: whoever has the ledger locked, else who wrote the status file, if that still runs."""
    return _holder(ledger_of(options).directory / "lock") or _writer(status_of(options))


def _holder(lock: Path) -> Optional[int]:
    with contextlib.suppress(OSError, struct.error):
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
        try:
            question = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, question))
        finally:
            os.close(descriptor)
        if kind != fcntl.F_UNLCK and pid > 0:
            return int(pid)
    return None


def _writer(status: Mapping[str, Any]) -> Optional[int]:
    """The daemon as the status file has it: one that is being replaced in place has let go of the lock for a moment."""
    pid, begun = status.get("pid"), status.get("start_time")
    if isinstance(pid, int) and begun is not None and status.get("kind") != "stopping":
        state = processes.read_state(pid)
        if state is not None and state.start_time == begun and not state.ended:
            return pid
    return None


def status_of(options: Options) -> Dict[str, Any]:
    """What the status file says; empty when there is none."""
    try:
        found = json.loads(Path(options.state_dir, "status.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def task_id(text: str) -> int:
    """A task's number as an argument."""
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no task id")
    return int(text)


def columns(rows: List[List[str]], indent: str = "  ", right: str = "") -> List[str]:
    """Lines of a table; `right` has the numbers of the columns that stand to the right."""
    if not rows:
        return []
    widths = [max(len(row[number]) for row in rows) for number in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if str(number) in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths))
        ]
        lines.append((indent + "  ".join(cells)).rstrip())
    return lines
