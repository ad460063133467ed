"""A builder made of nothing but the koji library: its TaskManager and its own task handlers.

`python -m tests.e2e.library_builder URL CERT CA WORKDIR` serves a hub until it is told to end. It shows what a hub
is to a builder that this project did not write.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
import types

import koji
import koji.daemon
import koji.tasks

CYCLE = 0.1


def options(workdir: str) -> types.SimpleNamespace:
    """What the library reads of a builder's options."""
    return types.SimpleNamespace(
        workdir=workdir,
        mockdir=workdir,
        maxjobs=10,
        minspace=0,
        task_avail_delay=0,
        sleeptime=CYCLE,
        failed_buildroot_lifetime=0,
        topurl=None,
    )


class Stop:
    """What SIGTERM asks for, told by a flag.

    An exception, as the stock daemon has it, is lost when it comes up inside a call to the hub: the library takes it
    for trouble with the line and tries the call again.
    """

    def __init__(self) -> None:
        self.asked = False
        self._process = os.getpid()
        signal.signal(signal.SIGTERM, self._take)

    def _take(self, signum: int, frame: object) -> None:
        if os.getpid() != self._process:
            raise koji.tasks.ServerExit  # a task's own process
        self.asked = True


def serve(manager: koji.daemon.TaskManager, stop: Stop) -> None:
    """The main loop of contract 4.1, without the sleep's length."""
    while not stop.asked:
        manager.updateBuildroots(nolocal=True)
        manager.updateTasks()
        if not manager.getNextTask():
            time.sleep(CYCLE)


def main(url: str, cert: str, ca: str, workdir: str) -> None:
    logging.basicConfig(level=logging.DEBUG, filename=f"{workdir}/builder.log")
    session = koji.ClientSession(url, {"max_retries": 2, "retry_interval": 1})
    session.ssl_login(cert, None, ca)
    session.exclusiveSession(force=True)
    manager = koji.daemon.TaskManager(options(workdir), session)
    manager.findHandlers(vars(koji.tasks))
    serve(manager, Stop())
    manager.shutdown()
    session.logout()


if __name__ == "__main__":
    main(*sys.argv[1:])
