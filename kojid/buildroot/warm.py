"""Warm buildroots: a root that mock has made once is copied for the next buildroot that would be the same.

A repo never changes under its id, so what `mock --init` makes of a repo, an arch, an install group and a configuration
is always the same. With the option `warm_buildroots` a root is set aside when mock has just made it, before anything
else has been in it; the next buildroot that asks for the same gets a copy, and mock is not started for it. What the
hub is told is what it would be told otherwise (contract 7.7, 7.8): the package list is read from the copy's database
and must be the recorded one.

Whatever goes wrong here is logged, and mock makes the root as ever.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import time
from pathlib import Path
from typing import Any, List, Optional

import koji

from kojid.buildroot import mock, packages, warmtrees
from kojid.buildroot.warmkey import Wanted, key_of, name_of
from kojid.buildroot.warmstore import About, Store, Warm, directory_of
from kojid.errors import KojidError, explain
from kojid.metrics import tally
from kojid.system import processes
from kojid.system.storage import free_space_mb
from kojid.system.treecopy import copy_tree

logger = logging.getLogger("koji.build.buildroot")

_MIB = 1024 * 1024
_TROUBLE = (KojidError, koji.GenericError, OSError, ValueError, KeyError, TypeError)


class WarmRoot:
    """The warm root of one buildroot, which may be there or not.

    Args:
        options: the daemon's options.
        wanted: the buildroot that is to be made.
        digest: of all that it depends on.
        workdir: of the task, for mock_output.log.
    """

    def __init__(self, options: Any, wanted: Wanted, digest: str, workdir: Optional[str]) -> None:
        self._options = options
        self._wanted = wanted
        self._digest = digest
        self._name = name_of(wanted, digest)
        self._workdir = workdir
        self._store = Store(directory_of(options))
        self._base = Path(options.mockdir, wanted.name)

    def take(self) -> Optional[List[packages.Package]]:
        """Put a copy of the warm root in the buildroot's place.

        Returns:
            What is installed, as the hub is to get it. None when mock has to make the root; nothing is in its place
            then.

        Raises:
            HostFault: half a copy can't be removed again.
        """
        if self._store.trouble() or os.path.lexists(self._base / "root"):
            return None
        begun = time.monotonic()
        with self._store.using(self._name) as found:
            if found is None:
                return None
            warm, lock = found
            recorded = self._copied(warm, lock)
        if recorded is None or warm.about is None:
            tally.count("kojid_warm_buildroots_total", "failed")
            self._discard(warm)
            return None
        self._store.touch(self._name)
        tally.count("kojid_warm_buildroots_total", "used")
        with contextlib.suppress(OSError):
            mock.tell(self._workdir, _story(warm.about))
        took = time.monotonic() - begun
        logger.info("%s is a copy of warm root %s: %.1f s", self._wanted.name, self._name, took)
        return recorded

    def _copied(self, warm: Warm, lock: int) -> Optional[List[packages.Package]]:
        if not warm.usable or warm.about is None or warm.about.digest != self._digest:
            return None
        try:
            recorded = self._store.packages(self._name)
            if not self._moved(warm.about.owners):
                warmtrees.lay_out(self._base, warm.about.owners, functools.partial(self._copy, warm.path, lock))
            warmtrees.check_packages(self._base / "root", recorded)
        except _TROUBLE as error:
            logger.warning(
                "Warm root %s can't be used, mock makes %s: %s", self._name, self._wanted.name, explain(error)
            )
            warmtrees.clear(self._base)
            return None
        return recorded

    def _copy(self, source: Path, lock: int, name: str, target: Path) -> None:
        copy_tree(source / name, target, timeout=self._limit, lock=lock)

    def _moved(self, owners: warmtrees.Owners) -> bool:
        """Whether a copy that was made beforehand could be moved to the buildroot's place."""
        with self._store.spare(self._name) as spare:
            if spare is None:
                return False
            try:
                warmtrees.lay_out(self._base, owners, lambda name, target: os.rename(spare / name, target))
            except OSError as error:  # the store is on another file system than mockdir
                logger.debug("The spare copy of %s can't be moved: %s", self._name, error)
                warmtrees.clear(self._base)
                return False
        return True

    @property
    def _limit(self) -> float:
        return float(self._options.command_timeout)

    def _discard(self, warm: Warm) -> None:
        try:
            self._store.remove(warm.path)
        except _TROUBLE as error:
            logger.info("Warm root %s stays for now: %s", self._name, explain(error))

    def keep(self, recorded: List[packages.Package]) -> None:
        """Set the buildroot's root aside, which mock has just made; nothing else may have been in it yet.

        Args:
            recorded: its packages, as the hub got them.
        """
        if koji.REPO_STATES[self._wanted.repo["state"]] != "READY":
            return  # of a repo that has expired there will hardly be another buildroot
        try:
            self._keep(recorded)
        except _TROUBLE as error:
            tally.count("kojid_warm_buildroots_total", "failed")
            logger.warning("No warm root is made of %s: %s", self._wanted.name, explain(error))

    def _keep(self, recorded: List[packages.Package]) -> None:
        begun = time.monotonic()
        with self._store.making(self._name) as place:
            if place is None:
                return  # there is one, or another task makes it
            size = warmtrees.size(self._base)
            reason = self._unfit(size)
            if reason:
                logger.info("No warm root is made of %s: %s", self._wanted.name, reason)
                return
            owners = warmtrees.set_aside(self._base, place[0], self._limit, place[1])
            warmtrees.check_packages(place[0] / warmtrees.ROOT, recorded)
            self._store.publish(self._about(size, owners), recorded)
        tally.count("kojid_warm_buildroots_total", "made")
        took = time.monotonic() - begun
        logger.info("Warm root %s is made of %s: %d MB, %.1f s", self._name, self._wanted.name, size // _MIB, took)

    def _unfit(self, size: int) -> str:
        """Why the root is not set aside; empty when it is."""
        megabytes, most = size // _MIB, self._options.warm_buildroots_max_mb
        if 0 < most < megabytes:
            return f"it takes {megabytes} MB, and warm_buildroots_max_mb is {most}"
        if free_space_mb(self._store.directory) - megabytes < self._options.minspace:
            return "too little space would be left"
        return warmtrees.unfit(self._base)

    def _about(self, size: int, owners: warmtrees.Owners) -> About:
        wanted = self._wanted
        what = f"{wanted.repo['tag_name']} {wanted.arch} {wanted.group}"
        return About(
            self._name, self._digest, wanted.repo["id"], what, wanted.task_id, wanted.buildroot_id,
            round(time.time(), 3), size, owners, processes.boot_id(),
        )  # fmt: skip


def of(broot: Any, config: str) -> Optional[WarmRoot]:
    """The warm root of a new buildroot.

    Args:
        broot: the buildroot.
        config: the text of its mock configuration.

    Returns:
        None where there is none: `warm_buildroots` is off, this is not root, or no other buildroot will be the same.
    """
    options = broot.options
    if not options.warm_buildroots or not config or os.geteuid() != 0:
        return None
    words = mock.prefix(options, broot.name, broot.config["extra"])
    wanted = Wanted(
        broot.name, broot.id, broot.task_id, broot.repo_info, broot.br_arch, broot.install_group, config,
        tuple(word for word in words if word != broot.mockcfg),
    )  # fmt: skip
    with contextlib.suppress(*_TROUBLE):
        digest = key_of(wanted, options)
        return None if digest is None else WarmRoot(options, wanted, digest, broot.workdir)
    return None


def _story(about: About) -> str:
    """What mock_output.log gets in the place of mock's own account, a line."""
    made = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(about.made))
    return (
        f"kojid: mock --init was not needed: the root is a copy of the one that it made in task {about.task_id}, "
        f"buildroot {about.buildroot_id}, at {made} (repo {about.repo_id}, {about.what})\n"
    )
