"""How long a build takes until rpmbuild starts: with a root that mock makes, and with a copy of one made before."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
import time
from pathlib import Path
from typing import Dict, Iterator, Optional, Tuple

from bench.harness import Bench, Figure, Results, Skip, measures, ratio
from bench.scene import PATIENCE
from kojid.buildroot.warmstore import DIRECTORY, Store
from kojid.sandbox import content, requirements
from kojid.sandbox.distro.sources import samples
from kojid.sandbox.layout import BUILDER
from kojid.system.treecopy import shares_blocks
from tests.support.mailserver import MailServer
from tests.support.sandbox import Daemon, Sandbox, wait_for
from tests.support.sandboxhub import without_ca_variables

_COLD = "the same daemon without warm_buildroots, builds in turn"
_FIGURE, _EARLY, _STARTS = "warm-before-rpmbuild", "warm-before-rpmbuild-copied", "warm-mock-starts"
_STARTED = "Start: rpmbuild "
_KEEP = 86400  # seconds: no deletion disturbs the next sample


class _Place:
    """A sandbox with a repository, a daemon with warm buildroots and one without."""

    def __init__(self, box: Sandbox) -> None:
        self.box = box
        maker = box.daemon(BUILDER).start()
        self.repo_id = box.regenerate()
        maker.stop()
        self.cold = box.daemon("cold", buildroot_basic_cleanup_delay=_KEEP).start()
        self.warm = box.daemon("warm", buildroot_basic_cleanup_delay=_KEEP, warm_buildroots=True).start()
        self._store = Store(Path(self.warm.options["mockdir"], DIRECTORY))
        self._names = (f"trivial{number}" for number in itertools.count(1))

    def on_warm_root(self) -> Dict[str, float]:
        """Two builds: one finds a copy that was made beforehand, one comes too early for that."""
        self._spare()
        moved, starts = self.build(self.warm)
        spare = self._spare()
        if spare is not None:
            self._store.remove(spare)
        copied, _starts = self.build(self.warm)
        self._spare()  # so that its making does not disturb the next sample
        return {_FIGURE: moved, _EARLY: copied, _STARTS: starts}

    def on_cold_root(self) -> Dict[str, float]:
        """One build for which mock makes the root."""
        seconds, starts = self.build(self.cold)
        return {_FIGURE: seconds, _EARLY: seconds, _STARTS: starts}

    def _spare(self) -> Optional[Path]:
        """Wait for the spare copy; None where none is made, as copies take no time."""
        if shares_blocks(self._store.directory, self._store.directory):
            return None
        return wait_for(lambda: self._store.found()[-1].spare, PATIENCE, "a spare copy of the warm root")

    def build(self, daemon: Daemon) -> Tuple[float, float]:
        """Build a small C program: seconds from the task's start to rpmbuild's, and how often mock was started."""
        name = next(self._names)
        source = samples.c_program(self.box.layout.sources / "bench", name)
        arguments = (self.box.upload(source), content.BUILD_TAG, content.machine_arch(), True)
        options = {"repo_id": self.repo_id}
        task = self.box.task("buildArch", *arguments, options, channel=daemon.host, arch=content.machine_arch())
        self.box.closed(task)
        begun = float(self.box.admin.getTaskInfo(task)["start_ts"])
        (root,) = self.box.admin.listBuildroots(taskID=task)
        starts = daemon.lines(rf"\[INFO\].*mock -r \S*{root['tag_name']}-{root['id']}-\S* --")
        return _moment(self.box.log(task, "state.log")) - begun, float(len(starts))


def _moment(log: str) -> float:
    """When rpmbuild began to build, by mock's state.log, seconds since the epoch."""
    line = next(line for line in reversed(log.splitlines()) if _STARTED in line)
    day, _, thousandths = line.partition(" - ")[0].partition(",")
    return time.mktime(time.strptime(day, "%Y-%m-%d %H:%M:%S")) + int(thousandths) / 1000


@contextlib.contextmanager
def _place(bench: Bench) -> Iterator[_Place]:
    missing = requirements.missing_packages()
    if missing:
        raise Skip(f"packages are missing: {' '.join(missing)}")
    directory = Path(tempfile.mkdtemp(dir=bench.dir))
    directory.chmod(0o755)
    with without_ca_variables(), MailServer() as mails:
        box = Sandbox.make(directory, mails.port)
        try:
            yield _Place(box)
        finally:
            box.close()


_HOW = (
    "from the start of a buildArch task to rpmbuild's by mock's state.log: SRPM, root, build requirements; a small C "
    "program, gcc in the build group, the sandbox's distribution and stand-in for mock"
)


@measures(
    Figure(
        _FIGURE, "s", "time before rpmbuild starts: a build on a warm root", ratio(0.3), _COLD,
        how=f"{_HOW}; a spare copy is ready, as some seconds after the last build, or at once on XFS and btrfs",
        grows="hardly: a rename or shared blocks, and the reading of the rpm database; the installation that it "
        "replaces grows with the packages",
    ),
    Figure(
        _EARLY, "s", "time before rpmbuild starts: a build on a warm root, without a spare copy", None, _COLD,
        how=f"{_HOW}; as when builds follow each other at once",
        grows="with the size of the root where blocks can't be shared, and not with it on XFS and btrfs",
    ),
    Figure(
        _STARTS, "starts", "starts of mock of a build on a warm root", None, _COLD,
        how="command lines in the daemon's log; stock kojid starts mock three times",
    ),
)  # fmt: skip
def warm(bench: Bench) -> Results:
    """Builds on a warm root and without one, in turn."""
    if bench.small:
        raise Skip("tests/e2e/test_warm_buildroots.py counts the starts of mock; times mean nothing in tests")
    with _place(bench) as place:
        for daemon in (place.warm, place.warm, place.cold):
            place.build(daemon)  # makes the warm root, uses it once, and fills caches for both
        return bench.pairs(place.on_warm_root, place.on_cold_root)
