"""Cleaning up while no daemon runs, and so without a word from the hub: only what nobody here can need any more.

Nothing is known of how a task has ended. So a buildroot goes when it has lain unchanged for as long as that of a failed
task is kept, and no task on record whose process lives has made it, and no process is in it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Callable, Iterator, List, Set

from kojid.buildroot.warmstore import Store, directory_of
from kojid.config.options import Options
from kojid.daemon import buildroots, tasklog, workdirs
from kojid.daemon.buildroots import Local
from kojid.daemon.cleaner import Chore
from kojid.daemon.ledger import Ledger
from kojid.daemon.reattach import living
from kojid.daemon.warmroots import reasons
from kojid.errors import HostFault
from kojid.system import locks

SHORT_LIFETIME = 600.0  # seconds since its last change after which garbage goes when all of it is wanted
_LOCK_SECONDS = 5.0


def chores(options: Options, ledger: Ledger, *, everything: bool) -> List[Chore]:
    """What may go, the oldest first.

    Args:
        options: the daemon's settings.
        ledger: the daemon's.
        everything: what has ended goes before its time.
    """
    running = {record.task_id for record in living(ledger)}
    used = {number for task_id in running for number in ledger.buildroots(task_id)}
    found = [
        *_configured(options, used, everything=everything),
        *_strays(options, used),
        *_workdirs(options, running, everything=everything),
        *_logs(options),
        *_warm(options, everything=everything),
    ]
    return sorted(found, key=lambda chore: -chore.age)


def carry_out(options: Options, chore: Chore) -> None:
    """Do one, under the lock that keeps others from cleaning up at the same time.

    Raises:
        HostFault: another process cleans up, or what was to go is in use.
        KojidError, OSError: it can't be removed.
    """
    directory = Path(options.mockdir)
    lock = locks.hold(directory, _LOCK_SECONDS) if directory.is_dir() else None
    if lock is None and directory.is_dir():
        raise HostFault(f"another process cleans up below {directory}")
    try:
        chore.work()
    finally:
        if lock is not None:
            os.close(lock)


def _configured(options: Options, used: Set[int], *, everything: bool) -> Iterator[Chore]:
    lifetime = max(options.failed_buildroot_lifetime, options.buildroot_basic_cleanup_delay)
    if everything:
        lifetime = min(lifetime, SHORT_LIFETIME)
    for broot in buildroots.scan(Path(options.mock_config_dir)):
        found = buildroots.directories(Path(options.mockdir), broot)
        age = time.time() - buildroots.changed(broot, found)
        if broot.id not in used and age >= lifetime:
            yield _removal("buildroot", broot, found, age)


def _strays(options: Options, used: Set[int]) -> Iterator[Chore]:
    mockdir, lifetime = Path(options.mockdir), options.stray_buildroot_lifetime
    if lifetime <= 0 or not mockdir.is_dir():
        return
    configured = [broot.name for broot in buildroots.scan(Path(options.mock_config_dir))]
    for broot in buildroots.without_config(mockdir, configured, buildroots.owners(options.mockuser)):
        found = buildroots.directories(mockdir, broot)
        age = time.time() - buildroots.changed(broot, found)
        if broot.id not in used and age >= lifetime:
            yield _removal("stray buildroot", broot, found, age)


def _removal(kind: str, broot: Local, found: List[Path], age: float) -> Chore:
    why = "no task that runs here has made it, and it has not changed since"
    return Chore(f"{kind} {broot.name}", age, lambda: buildroots.remove_unused(broot, found), why=why, paths=found)


def _workdirs(options: Options, running: Set[int], *, everything: bool) -> Iterator[Chore]:
    lifetime = float(options.workdir_lifetime)
    if lifetime <= 0:
        return
    if everything:
        lifetime = min(lifetime, SHORT_LIFETIME)
    for path, age in workdirs.left(options.workdir, lifetime, time.time(), lambda task_id: task_id in running):
        yield _workdir(path, age)


def _workdir(path: Path, age: float) -> Chore:
    why = "its task does not run here"
    return Chore(f"working directory {path}", age, lambda: workdirs.remove_unused(path), why=why, paths=[path])


def _warm(options: Options, *, everything: bool) -> Iterator[Chore]:
    store = Store(directory_of(options))
    roots = store.found()
    due = reasons(roots, options, {}, everything=everything)
    for path, why in [*due.items(), *((path, "it is half made, or half removed") for path in store.remains())]:
        used = next((warm.used for warm in roots if warm.path == path), time.time())
        yield Chore(f"warm root {path.name}", time.time() - used, _removal_of(store, path), why=why, paths=[path])


def _removal_of(store: Store, path: Path) -> Callable[[], None]:
    return lambda: store.remove(path)


def _logs(options: Options) -> Iterator[Chore]:
    directory, lifetime = options.task_log_dir, options.task_log_lifetime
    old = tasklog.old(directory, lifetime)
    if old:
        why = "the logs that were last written before task_log_lifetime"
        yield Chore("old logs of tasks", float(lifetime), lambda: _sweep(directory, lifetime), why=why, paths=old)


def _sweep(directory: str, lifetime: float) -> None:
    tasklog.sweep(directory, lifetime)
