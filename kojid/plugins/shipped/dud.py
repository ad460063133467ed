"""`dudBuild` and `createDudIso`: driver update disks, ISO images of packages that installers take (contract 6.13)."""

# Attribute names are koji's.
# ruff: noqa: N815

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar, Dict, List, Optional, Sequence

import koji

from kojid.buildroot import mock
from kojid.buildroot.chrootfiles import make_directory, write_file
from kojid.plugins import imagetools
from kojid.system.files import remove_tree
from kojid.tasks.checkouts import allowed_source, check_out
from kojid.tasks.images import BuildImageTask
from kojid.tasks.images.pipeline import Children, Image

GROUP = "dud-build"
_TOP = "dd"
# By this file the installer knows such a disk.
_MARK, _MARK_TEXT = "rhdd3", b"Driver Update Disk version 3"
_LABEL = "OEMDRV"
_VERSION_CONTROL = (".git", ".svn", "CVS")

Row = Dict[str, Any]


class DudBuildTask(imagetools.SourceTask, BuildImageTask):
    """A disk for several arches, as one build."""

    Methods: ClassVar[List[str]] = ["dudBuild"]
    _taskWeight = 1.0

    def source_url(self) -> Any:
        """Where what else goes on the disk is."""
        return _sources(self.parameter(5))

    def handler(
        self,
        dud_name: str,
        dud_version: str,
        arches: Sequence[str],
        target: str,
        pkg_list: Sequence[str],
        opts: Optional[Row] = None,
    ) -> str:
        """Build it.

        Args:
            dud_name, dud_version: of the disk.
            arches: one disk each; all of the build tag's when there are none.
            target: name of the build target.
            pkg_list: what is on the disk: names of packages of the build tag, with or without version.
            opts: scratch, skip_tag, release, optional_arches; for the subtasks alldeps and scmurl.

        Returns:
            the sentence that tells where the disks are.

        Raises:
            koji.ApplianceError: the version has a hyphen.
            koji.BuildError, koji.GenericError: the target, an arch, a package's name or the source is wrong.
            any fault: of a subtask that may not fail.
        """
        opts = {**(opts or {})}
        opts.update(
            scratch=bool(opts.get("scratch")),
            alldeps=bool(opts.get("alldeps")),
            scmurl=opts.get("scmurl") or None,
            optional_arches=list(opts.get("optional_arches") or ()),
        )
        if "-" in dud_version:
            raise koji.ApplianceError("The Version may not have a hyphen")
        packages(pkg_list)
        if opts["scmurl"]:
            allowed_source(self, opts["scmurl"], scratch=opts["scratch"])
        place = self.find_place(target, arches or ())

        def arguments(release: str, arch: str) -> List[Any]:
            return [dud_name, dud_version, release, arch, *place.arguments, pkg_list, opts]

        children = Children("image", "createDudIso", arches or place.arches, arguments, str, str)
        return self.build_images(place, Image(dud_name, dud_version, opts.get("release"), opts), children)


class DudCreateImageTask(imagetools.ToolTask):
    """A disk for one arch."""

    Methods: ClassVar[List[str]] = ["createDudIso"]
    _taskWeight = 1.0

    def source_url(self) -> Any:
        """Where what else goes on the disk is."""
        return _sources(self.parameter(8))

    def handler(
        self,
        dud_name: str,
        dud_version: str,
        dud_release: str,
        arch: str,
        target_info: Row,
        build_tag: Any,  # noqa: ARG002 - that of the target counts
        repo_info: Row,
        pkg_list: Sequence[str],
        opts: Optional[Row] = None,
    ) -> Row:
        """Build it, in a buildroot that has dnf, createrepo_c and xorrisofs.

        Args:
            dud_name, dud_version, dud_release: of the disk.
            arch: of its packages.
            target_info: the build target.
            build_tag: its build tag.
            repo_info: the build tag's repository.
            pkg_list: what is on the disk.
            opts: as for dudBuild.

        Returns:
            the disk's file, logs and packages as the hub imports them.

        Raises:
            koji.BuildError, koji.GenericError: a package can't be had, the source can't, or a tool fails.
            HostFault: this host can't do it.
        """
        self.opts = opts = opts or {}
        wanted = packages(pkg_list)
        scm = allowed_source(self, opts["scmurl"], scratch=opts.get("scratch")) if opts.get("scmurl") else None
        logs: List[str] = []
        with self.image_buildroot(target_info["build_tag"], repo_info, arch, GROUP) as broot:
            imagetools.require(broot, GROUP, "dnf")
            createrepo = imagetools.require(broot, GROUP, "createrepo_c", "createrepo")
            xorrisofs = imagetools.require(broot, GROUP, "xorrisofs")
            self._lay_out(broot, arch)
            if scm:
                logs.append(f"checkout-{arch}.log")
                self._add_sources(broot, scm, target_info["build_tag"], logs[-1])
            rpms = f"{_TOP}/rpms/{arch}"
            self._download(broot, wanted, rpms)
            within = broot.tmpdir(within=True)
            words = [f"/usr/bin/{createrepo}", "-q", "--workers=1", f"./{rpms}/"]
            imagetools.run(broot, words, within, "DUD build failed while creating ISO repodata")
            iso = f"dd-{dud_name}-{dud_version}-{dud_release}.{arch}.iso"
            words = [f"/usr/bin/{xorrisofs}", "-quiet", "-lR", "-V", _LABEL, "-input-charset", "utf8"]
            imagetools.run(broot, [*words, "-o", iso, f"./{_TOP}", "-v"], within, "DUD build failed while xorrisofs")
            self.uploadFile(f"{broot.tmpdir()}/{iso}")
            rpmlist = self.cached_packages(broot, f"{within}/{rpms}")
            nvr = (dud_name, dud_version, dud_release)
            return self.result(broot, nvr, arch, logs, files=[iso], rpmlist=rpmlist)

    def _lay_out(self, broot: Any, arch: str) -> None:
        """Make the directories of the disk, and its mark."""
        top = f"{broot.tmpdir(within=True)}/{_TOP}".lstrip("/")
        for directory in (f"rpms/{arch}/repodata", "src"):
            make_directory(broot.rootdir(), f"{top}/{directory}")
        write_file(broot.rootdir(), f"{top}/{_MARK}", _MARK_TEXT)

    def _add_sources(self, broot: Any, scm: Any, tag: int, log: str) -> None:
        """Put what version control has on the disk, in a directory of its own, without the history."""
        top = broot.make_tmpdir(_TOP)
        sources = check_out(self, scm, top, build_tag=tag, scratch=self.opts.get("scratch"), log=log)
        for path, directories, _files in os.walk(sources):
            for name in set(directories).intersection(_VERSION_CONTROL):
                directories.remove(name)
                remove_tree(Path(path, name))

    def _download(self, broot: Any, wanted: Sequence[str], directory: str) -> None:
        """Fetch the packages from the build tag's repository, one after the other to tell which one can't be had."""
        options = ["--resolve", "--alldeps"] if self.opts.get("alldeps") else []
        within = f"{broot.tmpdir(within=True)}/{directory}"
        for name in wanted:
            words = ["/usr/bin/dnf", "download", *options, name]
            what = f"DUD build failed while getting the involved rpm '{name}'"
            imagetools.run(broot, words, within, what)


def _sources(opts: Any) -> Any:
    return opts.get("scmurl") if isinstance(opts, dict) else None


def packages(names: Sequence[str]) -> List[str]:
    """What is asked for on a disk.

    Raises:
        koji.GenericError: there is nothing, or something that is no name of a package.
    """
    if not names or isinstance(names, str):
        raise koji.GenericError("a driver update disk needs a list of packages")
    return mock.install(list(names))[1:]
