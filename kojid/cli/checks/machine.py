"""The machine: room on its disks, memory, control groups, its unit, and whether somebody has drained it."""

from __future__ import annotations

import os
from typing import Dict, Iterator, Tuple

from kojid.cli import local
from kojid.cli.checks.base import Check, Context, Finding, fine, skipped, unless_any, warn, wrong
from kojid.config.options import Options
from kojid.daemon import admission, drain
from kojid.daemon.probes import Answer
from kojid.daemon.shortage import Shortage
from kojid.system import cgroups, process, storage

SECTION = "machine"
_PASSING = ("load", "cpu pressure", "memory pressure", "io pressure")  # it is so now, and nothing is to be done
_SYSTEMD = "/run/systemd/system"
_UNIT = "kojid.service"
_WITHOUT = "tasks are ended by sessions and process trees"
_REMEDIES = {
    "space": "make room there (kojid clean), or lower minspace, minspace_workdir or minspace_log",
    "inodes": "there are too many files; remove some, or lower mininodes",
    "read-only": "mount it for writing; after an error of the disk, check that first",
    "unknown": "mount it anew, or set the option to a directory that is there",
    "memory": "something else has the memory, or lower minmemory",
}


class _Known:
    """What one file system has left; of the others nothing is said."""

    def __init__(self, place: str, path: str) -> None:
        self._place = place
        try:
            self._answer = Answer(path, storage.room(path, try_writing=place != "topdir"))
        except OSError as error:
            self._answer = Answer(path, None, os.strerror(error.errno or 0))

    def answer(self, place: str) -> Answer:
        """As the daemon's probes do; another place is one that is missing."""
        return self._answer if place == self._place else Answer("", None, os.strerror(2))


def _room(context: Context, place: str) -> Iterator[Finding]:
    options = context.options
    path = str(getattr(options, place))
    path = _nearest(os.path.dirname(os.path.abspath(path)) if place == "log_file" else path)
    known = _Known(place, path)
    room = known.answer(place).room
    if room is None:
        yield skipped(f"{path} is not there")
        return
    found = False
    for kind, reason in admission.obstacles_of_machine(options, known):
        if kind.startswith(f"{place} "):
            found = True
            yield wrong(reason, _REMEDIES[kind.partition(" ")[2]])
    if not found and _gets_short(options, known, place):
        yield warn(f"{path} gets short: {room.free_mb} MB, {_inodes(room)} are free", _REMEDIES["space"])
    elif not found:
        yield fine(f"{path}: {room.free_mb} MB, {_inodes(room)}")


def _nearest(path: str) -> str:
    """The directory, or the nearest one above it while it is not made."""
    while not os.path.exists(path) and path not in ("", "/"):
        path = os.path.dirname(path)
    return path or "/"


def _gets_short(options: Options, known: admission.Known, place: str) -> bool:
    shortage = Shortage(options, known)
    return {"mockdir": shortage.in_mockdir, "workdir": shortage.in_workdir}.get(place, bool)()


def _inodes(room: storage.Room) -> str:
    return "inodes are not counted" if room.free_inodes < 0 else f"{room.free_inodes} inodes"


def _memory(context: Context) -> Iterator[Finding]:
    """Memory, load and pressure, as the daemon judges them before it takes a task."""
    for kind, reason in admission.obstacles_of_machine(context.options, _Known("", "")):
        if kind in _PASSING:
            yield fine(f"{reason}: no task is taken until that passes")
        elif kind == "memory":
            yield warn(reason, _REMEDIES["memory"])


def _control_groups(_context: Context) -> Iterator[Finding]:
    own = cgroups.own()
    if own is not None and os.access(own, os.W_OK):
        yield fine(f"version 2, {own} can be written")
    elif os.path.isdir(_SYSTEMD):
        yield warn(
            f"version 2 {'can not be written' if own else 'is not there'}: {_WITHOUT}",
            "boot with systemd.unified_cgroup_hierarchy=1; the unit needs Delegate=yes",
        )
    else:
        yield fine(f"version 2 can't be used: {_WITHOUT}")


def _unit(_context: Context) -> Iterator[Finding]:
    """What of the unit costs builds when a site has its own."""
    if not os.path.isdir(_SYSTEMD):
        yield fine("systemd does not run here")
        return
    names = "LoadState,Delegate,TasksMax,KillMode"
    status, output = process.capture(["systemctl", "show", "-p", names, _UNIT], timeout=10.0)
    found = dict(line.partition("=")[::2] for line in output.decode("utf-8", "replace").splitlines())
    if not status.ok or found.get("LoadState") != "loaded":
        yield warn(f"there is no unit {_UNIT}", "install systemd/kojid.service, then: systemctl daemon-reload")
        return
    yield from unless_any(_unit_settings(found), f"{_UNIT} is set as it has to be")


def _unit_settings(found: Dict[str, str]) -> Iterator[Finding]:
    limit = found.get("TasksMax", "")
    if limit.isdigit() and int(limit) < 2**31:
        yield warn(f"TasksMax={limit}: builds that start many processes fail", "set TasksMax=infinity in the unit")
    if found.get("Delegate") == "no":
        yield warn("Delegate=no: tasks get no control groups", "set Delegate=yes in the unit")
    if found.get("KillMode") not in (None, "process"):
        yield warn(f"KillMode={found['KillMode']}: a restart of the daemon kills its tasks", "set KillMode=process")


def _daemon(context: Context) -> Iterator[Finding]:
    pid = local.daemon_pid(context.options)
    yield fine("none runs" if pid is None else f"runs, pid {pid}; kojid status tells more")


def _drained(context: Context) -> Iterator[Finding]:
    found = drain.read(context.options.state_dir)
    if found is not None:
        yield warn(f"{found}: this host takes no task", "kojid undrain")


def _rooms(rows: Tuple[str, ...]) -> Iterator[Check]:
    for place in rows:
        name = f"room_{place.replace('_file', '')}"

        def look(context: Context, place: str = place) -> Iterator[Finding]:
            return _room(context, place)

        yield Check(SECTION, name, f"room for {place}", "make room there", look)


ROWS = (
    *_rooms(("mockdir", "workdir", "log_file")),
    Check(SECTION, "memory", "memory and load", "end what uses it",
          lambda context: unless_any(_memory(context), "memory and load are as they should be")),
    Check(SECTION, "cgroups", "control groups", "boot with cgroup version 2", _control_groups),
    Check(SECTION, "unit", "the systemd unit", "install systemd/kojid.service", _unit),
    Check(SECTION, "daemon", "a daemon on this host", "", _daemon),
    Check(SECTION, "drained", "a drain by an administrator", "kojid undrain",
          lambda context: unless_any(_drained(context), "it is not drained")),
)  # fmt: skip
