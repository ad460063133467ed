"""Where a task's things are on this machine: its control group, its chroots, and what is mounted in them."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sys
from pathlib import Path
from typing import Callable, List, Optional, Sequence, Tuple

from kojid.config.options import Options
from kojid.daemon.ledger import Ledger
from kojid.daemon.leftmounts import take_away
from kojid.daemon.records import TaskRecord
from kojid.system import cgroups
from kojid.system.cgroups import Group
from kojid.system.termination import Family

_log = logging.getLogger("koji.TaskManager")
_HEAD_LINES = 10
_ID = "# Koji buildroot id: "
_NAME = "# Koji buildroot name: "
_TASK = "# Koji task id: "
Configured = Tuple[str, str, str]


class Places:
    """Finds them.

    Args:
        options: the daemon's settings.
        ledger: knows the buildroots of the tasks.
    """

    def __init__(self, options: Options, ledger: Ledger) -> None:
        self._options = options
        self._ledger = ledger
        parent = cgroups.own()
        self._parent = parent if parent is not None and cgroups.writable(parent) else None
        # Daemons with different ledgers may share a group, their tasks do not.
        mark = hashlib.sha256(os.fsencode(os.path.abspath(ledger.directory))).hexdigest()[:8]
        self._prefix = f"kojid-{mark}-"

    def group(self, task_id: int) -> Optional[Group]:
        """A control group for a new task, empty; None where there can't be one."""
        return None if self._parent is None else cgroups.make(self._parent, f"{self._prefix}{task_id}")

    def recorded_group(self, record: TaskRecord) -> Optional[Group]:
        """The control group of a task on record, if it is still there."""
        path = Path(record.cgroup) if record.cgroup else None
        if path is None or not path.name.startswith(self._prefix) or not (path / "cgroup.procs").exists():
            return None
        return Group(path)

    def remains(self, record: TaskRecord) -> Family:
        """What a task has left behind whose own process has ended while no daemon looked."""
        family = Family(0, self.chroots(record.task_id), group=self.recorded_group(record))
        family.add_session(record.pid, record.start_time)
        return family

    def stray_groups(self, known: List[int]) -> List[Group]:
        """Groups of this ledger's tasks of which it has no record, so that nobody can say what they are."""
        if self._parent is None:
            return []
        found = [path for path in self._parent.glob(f"{self._prefix}*") if path.is_dir()]
        names = {f"{self._prefix}{task_id}" for task_id in known}
        return [Group(path) for path in found if path.name not in names]

    def chroots(self, task_id: int) -> List[Path]:
        """Mock's directories of a task's buildroots; no file system but that of the configurations is asked."""
        ids = {str(each) for each in self._ledger.buildroots(task_id)}
        return directories(self._options, lambda number, _task: number in ids) if ids else []

    def unmount(self, chroots: List[Path]) -> None:
        """Take away what is mounted in chroots; exits with status 1 when something stays."""
        left = [mount for chroot in chroots for mount in take_away(chroot)]
        if left:
            _log.warning("still mounted: %s", left)
            sys.exit(1)


def directories(
    options: Options, wanted: Callable[[str, str], bool], known: Optional[Sequence[Configured]] = None
) -> List[Path]:
    """Mock's directories of buildroots that have a configuration here.

    Args:
        options: the daemon's settings.
        wanted: says by id and task id whether one counts.
        known: what `configured` said, for who asks more than once.
    """
    found = configured(options) if known is None else known
    names = [name for number, name, task in found if wanted(number, task)]
    return [Path(options.mockdir) / f"{name}{suffix}" for name in names for suffix in ("", "-bootstrap")]


def configured(options: Options) -> List[Configured]:
    """Id, name and task id (which may be empty) of each buildroot that has a configuration here."""
    found = map(_named, sorted(Path(options.mock_config_dir).glob("*.cfg")))
    return [one for one in found if one is not None and os.sep not in one[1]]


def _named(config: Path) -> Optional[Configured]:
    """What a mock configuration says of its buildroot (contract 4.6, step 2)."""
    with contextlib.suppress(OSError), config.open(encoding="utf-8", errors="replace") as text:
        head = [line.rstrip() for _, line in zip(range(_HEAD_LINES), text)]
        ids = [line[len(_ID) :] for line in head if line.startswith(_ID)]
        names = [line[len(_NAME) :] for line in head if line.startswith(_NAME)]
        tasks = [line[len(_TASK) :] for line in head if line.startswith(_TASK)]
        if ids and names:
            return ids[0], names[0], tasks[0] if tasks else ""
    return None
