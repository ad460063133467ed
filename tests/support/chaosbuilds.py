"""Builds that faults happen to: the place where they are built, the faults, and what has to hold afterwards.

for fault in schedule(seed, number):
    fault.strike(round)
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import koji

from kojid.daemon.ledger import Ledger
from kojid.sandbox.distro.sources import samples
from kojid.sandbox.layout import BUILDER
from tests.support.faultproxy import OF_ANY_TASK, FaultProxy, lose
from tests.support.sandbox import Daemon, Sandbox, open_directory, wait_for
from tests.support.sandboxhub import LoggedCall, calls_in

#: The calls of a build whose reply is lost: all that change something on the hub.
LOST = (
    *OF_ANY_TASK,
    "host.newBuildRoot",
    "host.setBuildRootState",
    "host.setBuildRootList",
    "host.updateBuildRootList",
    "host.initBuild",
    "host.completeBuild",
    "host.tagBuild",
    "host.closeTask",
    "rawUpload",
)
#: Where a build is when a fault strikes, in its order.
MOMENTS = ("taken", "source package", "buildroot", "%build", "end of %build")
_OPTIONS: Dict[str, Any] = {
    "timeout": 5,
    "max_retries": 100,
    "retry_interval": 1,
    "offline_retry_interval": 1,
    "buildroot_basic_cleanup_delay": 0,
    "buildroot_final_cleanup_delay": 0,
    "failed_buildroot_lifetime": 0,
    "workdir_lifetime": 5,
    "refusal_timeout": 2,
}


class BuildSite:
    """A sandbox whose only builder is behind a fault proxy, with a repository to build from.

    Args:
        box: the sandbox.
        proxy: between its hub and its builder.
        daemon: the builder, at work.
    """

    def __init__(self, box: Sandbox, proxy: FaultProxy, daemon: Daemon) -> None:
        self.box = box
        self.proxy = proxy
        self.daemon = daemon
        self.sources = box.layout.sources / "tests"
        self.sources.mkdir()

    def kill_daemon(self) -> None:
        """As kill -9 does, and start it as an init system would; it must have been alive."""
        assert self.daemon.process is not None
        assert self.daemon.process.poll() is None, self.daemon.log[-6000:]
        self.daemon.process.kill()
        self.daemon.process.wait()
        self.daemon.launch("--force-lock")

    def tend(self) -> None:
        """Start the daemon again when the hub was not there to let it in; no other end is right."""
        assert self.daemon.process is not None
        status = self.daemon.process.poll()
        if status is not None:
            refused = "Unable to log in" in self.daemon.log[-2000:]
            assert status == 1 and refused, f"it has ended with {status}:\n{self.daemon.log[-6000:]}"
            self.daemon.launch("--force-lock")

    def restart_hub(self) -> None:
        """Kill the hub and start it."""
        pid = self.box.hub.service.pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        self.box.hub.stop()
        self.box.hub.start()

    def calls(self) -> List[LoggedCall]:
        """What the hub has been asked so far."""
        return calls_in((self.box.layout.hub_dir / "hub.log").read_text())

    def leftovers(self) -> List[str]:
        """What is on the machine beside the daemon itself."""
        options = self.daemon.options
        places = [Path(options[name]) for name in ("mockdir", "mock_config_dir")]
        found = [f"process {line}" for line in self.box.processes()]
        found += [f"mount {place}" for place in self.box.mounts() if place != str(options["mockdir"])]
        found += [str(path) for place in places for path in place.iterdir() if "-build-" in path.name]
        found += [str(path) for path in Path(options["workdir"]).glob("tasks/*/*")]
        ledger = Ledger(Path(options["state_dir"]) / "ledger")
        return found + [f"record of task {record.task_id}" for record in ledger.tasks()]


@contextlib.contextmanager
def build_site(
    smtp_port: int, prepare: Callable[[Daemon], None] = lambda _: None, **options: Any
) -> Iterator[BuildSite]:
    """A site of a test's own.

    Args:
        smtp_port: of the tests' mail server.
        prepare: called with the builder before it starts.
        options: of kojid.conf, in place of the usual ones.
    """
    with open_directory() as directory:
        box = Sandbox.make(directory, smtp_port, soft_refusal_timeout=2)
        try:
            with FaultProxy(box.hub.urls().server, box.layout.ca_dir, BUILDER) as proxy:
                daemon = box.daemon(BUILDER, server=proxy.url, **{**_OPTIONS, **options})
                prepare(daemon)
                daemon.start()
                box.regenerate()
                yield BuildSite(box, proxy, daemon)
                box.daemons.remove(daemon)
                daemon.stop()
        finally:
            box.close()


class Round:
    """One build that faults happen to.

    Args:
        site: where.
        name: of its package, new on the hub.
        make: makes the package; one whose %build writes a line each half second if None.
    """

    def __init__(self, site: BuildSite, name: str, make: Optional[samples.Maker] = None) -> None:
        self.site = site
        self.box = site.box
        self.canceled = False
        self._hub_killed = False
        self._earlier = len(site.calls())
        srpm = make(site.sources) if make else samples.talking_build(site.sources, name, seconds=3)
        self.task_id = self.box.submit(srpm, name)

    def comes_to(self, moment: str) -> None:
        """Wait until the build is there, or has ended."""
        at = {
            "taken": lambda: self.box.state(self.task_id) != "FREE",
            "source package": lambda: self._opened("rebuildSRPM"),
            "buildroot": lambda: self._opened("buildArch"),
            "%build": lambda: "talking line 1" in self._log(),
            "end of %build": lambda: "talking line 6" in self._log(),
        }[moment]
        wait_for(
            lambda: self._tended() and (at() or self._ended()), 120, f"{moment}\n{self.box.describe(self.task_id)}"
        )

    def _tended(self) -> bool:
        self.site.tend()
        return True

    def _ended(self) -> bool:
        return self.box.state(self.task_id) in ("CLOSED", "FAILED", "CANCELED")

    def _opened(self, method: str) -> bool:
        rows = [row for row in self.box.admin.getTaskChildren(self.task_id) if row["method"] == method]
        return bool(rows) and rows[0]["state"] != koji.TASK_STATES["FREE"]

    def _log(self) -> str:
        for row in self.box.admin.getTaskChildren(self.task_id):
            if row["method"] == "buildArch" and "build.log" in self.box.admin.listTaskOutput(row["id"]):
                return self.box.log(row["id"], "build.log")
        return ""

    def kill_hub(self) -> None:
        """The hub dies and comes back."""
        self._hub_killed = True
        self.site.restart_hub()

    def cancel(self) -> None:
        """Cancel the build; one that has ended by then stays as it is."""
        self.box.admin.cancelTask(self.task_id)
        self.canceled = self.box.state(self.task_id) == "CANCELED"

    def check(self) -> None:
        """All invariants; AssertionError with the daemon's log when one does not hold."""
        self.site.proxy.clear()
        try:
            wait_for(lambda: self._tended() and self._ended(), 240, self.box.describe(self.task_id))
            self._check_build()
            wait_for(lambda: not self.site.leftovers(), 180)
        except AssertionError as error:
            left = self.site.leftovers()
            tree = self.box.describe(self.task_id)
            raise AssertionError(f"{error}\n{tree}\nleft: {left}\n{self.site.daemon.log[-8000:]}") from None
        self.box.closed(self.box.task("sleep", 0), 60)

    def _check_build(self) -> None:
        wanted = "CANCELED" if self.canceled else "CLOSED"
        assert self.box.state(self.task_id) == wanted, str(self.box.fault(self.task_id))
        builds = self.box.admin.listBuilds(taskID=self.task_id)
        states = [koji.BUILD_STATES[build["state"]] for build in builds]
        children = self.box.admin.getTaskChildren(self.task_id)
        methods = sorted(row["method"] for row in children)
        if self.canceled:
            assert states in ([], ["CANCELED"])
            assert len(methods) == len(set(methods))
        else:
            assert states == ["COMPLETE"]
            assert len(self.box.admin.listTags(build=builds[0]["build_id"])) == 1
            assert methods == ["buildArch", "rebuildSRPM", "tagBuild"]
            assert {koji.TASK_STATES[row["state"]] for row in children} == {"CLOSED"}
            self._check_calls(len(children) + 1)
        wait_for(lambda: self._root_states(children) <= {"EXPIRED"}, 60, "buildroots stay open")

    def _root_states(self, tasks: List[Dict[str, Any]]) -> set[str]:
        roots = [root for row in tasks for root in self.box.admin.listBuildroots(taskID=row["id"])]
        return {str(koji.BR_STATES[root["state"]]) for root in roots}

    def _check_calls(self, tasks: int) -> None:
        """What the hub took just before it was killed may not be in its log."""
        taken = [call.method for call in self.site.calls()[self._earlier :] if not call.fault]
        spared = 1 if self._hub_killed else 0
        for method, times in (("host.completeBuild", 1), ("host.closeTask", tasks), ("host.tagBuild", 1)):
            assert times - spared <= taken.count(method) <= times, f"{method}: {taken.count(method)}"
        assert "host.failTask" not in taken


@dataclass(frozen=True)
class BuildFault:
    """One line of a schedule.

    Args:
        kind: a key of `KINDS`.
        moment: where the build is then, one of MOMENTS.
        detail: what of it.
    """

    kind: str
    moment: str
    detail: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.kind, self.detail, f"at {self.moment}")))

    def strike(self, happening: Round) -> None:
        """Do it once the build is there."""
        happening.comes_to(self.moment)
        KINDS[self.kind](happening, self)


def _kill(happening: Round, _fault: BuildFault) -> None:
    happening.site.kill_daemon()


def _lost(happening: Round, fault: BuildFault) -> None:
    happening.site.proxy.on(fault.detail, lose())


def _hub(happening: Round, _fault: BuildFault) -> None:
    happening.kill_hub()


def _cancel(happening: Round, _fault: BuildFault) -> None:
    happening.cancel()


#: Kind -> what does it.
KINDS: Dict[str, Callable[[Round, BuildFault], None]] = {
    "kill -9": _kill,
    "lost reply of": _lost,
    "hub killed": _hub,
    "cancel": _cancel,
}
_WEIGHTS = (3, 5, 1, 1)


def schedule(seed: int, number: int, faults: int = 6) -> List[BuildFault]:
    """The faults of one round, in the order of the moments; nothing comes after a cancel.

    Args:
        seed: of the whole run.
        number: of the round, from 1.
        faults: how many.
    """
    chance = random.Random(f"builds {seed}/{number}")
    drawn: List[Tuple[int, str, str]] = [
        (chance.randrange(len(MOMENTS)), kind, chance.choice(LOST) if kind == "lost reply of" else "")
        for kind in chance.choices(list(KINDS), _WEIGHTS, k=faults)
    ]
    planned: List[BuildFault] = []
    for place, kind, detail in sorted(drawn, key=lambda one: one[0]):
        planned.append(BuildFault(kind, MOMENTS[place], detail))
        if kind == "cancel":
            break
    return planned
