"""A builder made of nothing but the koji library: its TaskManager and its own task handlers.

`python -m bench.peer URL CERT CA WORKDIR [OPTION=VALUE...]` serves a hub until it is told to end. It shows what a hub
is to a builder that this project did not write, and it is what the figures of this suite are compared with.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import logging
import os
import signal
import sys
import time
import types
from pathlib import Path
from typing import Any, Dict, Mapping

import koji
import koji.daemon
import koji.tasks

#: What the stock daemon imports when it starts, whether or not a task ever needs it (contract 11.4, item 47).
STOCK_IMPORTS = (
    "Cheetah.Template",
    "dnf",
    "guestfs",
    "koji.arch",
    "koji.plugin",
    "koji.rpmdiff",
    "librepo",
    "multilib.multilib",
    "optparse",
    "pykickstart.parser",
    "requests",
    "requests_gssapi",
    "rpm",
    "smtplib",
    "xml.dom.minidom",
    "zipfile",
)
_OPTIONS: Dict[str, Any] = {
    "sleeptime": 0.1,
    "maxjobs": 10,
    "minspace": 0,
    "mockdir": "",
    "mock_config_dir": "",  # empty: local buildroots are not looked for
    "task_avail_delay": 0,
    "failed_buildroot_lifetime": 14400,
    "buildroot_basic_cleanup_delay": 120,
    "buildroot_final_cleanup_delay": 86400,
    "stock_imports": 0,
    "topdir": "",  # for the handlers that need the volume
    "handlers": "",  # a module with handlers of methods that the library does not have
}


def options(workdir: str, given: Mapping[str, str]) -> types.SimpleNamespace:
    """What the library reads of a builder's options, those `given` as text in place of the usual ones."""
    made = {name: type(usual)(given[name]) if name in given else usual for name, usual in _OPTIONS.items()}
    made["mockdir"] = made["mockdir"] or workdir
    return types.SimpleNamespace(workdir=workdir, topurl=None, **made)


class Manager(koji.daemon.TaskManager):  # type: ignore[misc]
    """The library's, which looks for local buildroots in /etc/mock/koji alone: here that directory is an option."""

    def _scanLocalBuildroots(self) -> Dict[int, Dict[str, Any]]:  # noqa: N802 - the library's name
        found: Dict[int, Dict[str, Any]] = {}
        for path in Path(self.options.mock_config_dir).glob("*.cfg"):
            with path.open() as file:
                head = dict(line[1:].strip().split(":", 1) for line in file if line.startswith("# Koji buildroot "))
            name = head["Koji buildroot name"].strip()
            place = os.path.join(self.options.mockdir, name)
            found[int(head["Koji buildroot id"])] = {
                "name": name,
                "cfg": str(path),
                "dir": place if os.path.isdir(place) else None,
            }
        return found


class Stop:
    """What SIGTERM asks for, told by a flag.

    An exception, as the stock daemon has it, is lost when it comes up inside a call to the hub: the library takes it
    for trouble with the line and tries the call again. In the sleep between two cycles it is what ends the sleep.
    """

    def __init__(self) -> None:
        self.asked = False
        self._sleeping = False
        self._process = os.getpid()
        signal.signal(signal.SIGTERM, self._take)

    def _take(self, _signum: int, _frame: object) -> None:
        if os.getpid() != self._process:
            raise koji.tasks.ServerExit  # a task's own process
        self.asked = True
        if self._sleeping:
            raise koji.tasks.ServerExit

    def sleep(self, seconds: float) -> None:
        """Sleep, unless the end has been asked for."""
        try:
            self._sleeping = True
            if not self.asked:
                time.sleep(seconds)
        except koji.tasks.ServerExit:
            pass
        finally:
            self._sleeping = False


def serve(manager: Manager, stop: Stop, sleeptime: float) -> None:
    """The main loop of contract 4.1."""
    taken = False
    while not stop.asked:
        if not taken:
            manager.updateBuildroots(nolocal=not manager.options.mock_config_dir)
        manager.updateTasks()
        taken = manager.getNextTask()
        if not taken:
            stop.sleep(sleeptime)


def _import_as_stock() -> None:
    for name in STOCK_IMPORTS:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def main() -> None:
    """Serve a hub until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m bench.peer", description=__doc__)
    for name in ("url", "cert", "ca", "workdir"):
        parser.add_argument(name)
    parser.add_argument("options", nargs="*", metavar="OPTION=VALUE", help=", ".join(_OPTIONS))
    words = parser.parse_args()
    made = options(words.workdir, dict(word.split("=", 1) for word in words.options))
    logging.basicConfig(level=logging.DEBUG, filename=f"{words.workdir}/builder.log")
    # Our daemon runs with max_load = 0 where others use the machine, too; the library has no such option.
    os.getloadavg = lambda: (0.0, 0.0, 0.0)
    if made.stock_imports:
        _import_as_stock()
    session = koji.ClientSession(words.url, {"max_retries": 2, "retry_interval": 1})
    session.ssl_login(words.cert, None, words.ca)
    session.exclusiveSession(force=True)
    os.getloadavg = lambda: (0.0, 0.0, 0.0)  # as max_load = 0 of ours: the machine may be shared
    manager = Manager(made, session)
    manager.findHandlers(vars(koji.tasks))
    if made.handlers:
        manager.findHandlers(vars(importlib.import_module(made.handlers)))
    serve(manager, Stop(), made.sleeptime)
    manager.shutdown()
    session.logout()


if __name__ == "__main__":
    main()
    sys.exit()
