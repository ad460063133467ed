"""`kiwiBuild` and `createKiwiImage`: images by kiwi, made in a buildroot after a description in git (contract 6.13)."""

# Attribute names are koji's.
# ruff: noqa: N815

from __future__ import annotations

import os
import posixpath
from typing import Any, ClassVar, Dict, List, Optional, Sequence, Set, Tuple

import koji

from kojid.buildroot.chrootfiles import open_directory, write_file
from kojid.plugins import imagetools, kiwidescription
from kojid.system.beneath import open_beneath
from kojid.tasks.checkouts import allowed_source, check_out
from kojid.tasks.images import BuildImageTask
from kojid.tasks.images.pipeline import Children, Image

GROUP = "kiwi-build"
_PROGRAM = "kiwi-ng"
_IMAGE = "/builddir/result/image"
_BUNDLE = "/builddir/result/bundle"
# Where kiwi keeps the packages that it has installed, whichever dnf it uses.
_CACHE = "/var/cache/kiwi/dnf"

Row = Dict[str, Any]


class KiwiBuildTask(imagetools.SourceTask, BuildImageTask):
    """An image for several arches, as one build."""

    Methods: ClassVar[List[str]] = ["kiwiBuild"]
    _taskWeight = 4.0

    def source_url(self) -> Any:
        """Where the description is."""
        return self.parameter(2)

    def handler(
        self, target: str, arches: Sequence[str], desc_url: str, desc_path: str, opts: Optional[Row] = None
    ) -> str:
        """Build it.

        Args:
            target: name of the build target.
            arches: one image each; all of the build tag's when there are none.
            desc_url: where the description is, in version control.
            desc_path: its path there.
            opts: scratch, skip_tag, profile, version, release, optional_arches; for the subtasks repos,
                repo_releasever, make_prep, type, type_attr, result_bundle_name_format, use_buildroot_repo.

        Returns:
            the sentence that tells where the images are.

        Raises:
            koji.BuildError, koji.GenericError: the target, an arch, the source or the description is wrong.
            any fault: of a subtask that may not fail.
        """
        opts = {**(opts or {})}
        opts["scratch"] = bool(opts.get("scratch"))
        opts["optional_arches"] = list(opts.get("optional_arches") or ())
        scm = allowed_source(self, desc_url, scratch=opts["scratch"])
        place = self.find_place(target, arches or ())
        if not self.session.getBuildConfig(place.build_tag)["extra"].get("mock.new_chroot", True):
            opts["mount_dev"] = True
        sources = check_out(self, scm, str(self.workdir), build_tag=place.build_tag, scratch=opts["scratch"])
        found = kiwidescription.image(kiwidescription.read_beneath(sources, desc_path), desc_path)
        profile = opts.get("profile") or found.profile
        name = f"{found.name}-{profile}" if profile else found.name
        version = opts.get("version") or found.version

        def arguments(release: str, arch: str) -> List[Any]:
            return [name, version, release, arch, *place.arguments, desc_url, desc_path, opts]

        children = Children("image", "createKiwiImage", arches or place.arches, arguments, str, str)
        return self.build_images(place, Image(name, version, opts.get("release"), opts), children)


class KiwiCreateImageTask(imagetools.ToolTask):
    """An image for one arch."""

    Methods: ClassVar[List[str]] = ["createKiwiImage"]
    _taskWeight = 2.0

    def source_url(self) -> Any:
        """Where the description is."""
        return self.parameter(7)

    def handler(
        self, name: str, version: str, release: str, arch: str, target_info: Row, build_tag: Any, repo_info: Row,  # noqa: ARG002
        desc_url: str, desc_path: str, opts: Optional[Row] = None,
    ) -> Row:  # fmt: skip
        """Build it, in a buildroot that has kiwi.

        Args:
            name, version, release: of the image.
            arch: of image and buildroot.
            target_info: the build target.
            build_tag: its build tag.
            repo_info: the build tag's repository.
            desc_url: where the description is, in version control.
            desc_path: its path there.
            opts: as for kiwiBuild, and mount_dev.

        Returns:
            the image's files, logs and packages as the hub imports them.

        Raises:
            koji.BuildError, koji.GenericError: the source, the description or the image is at fault; what kiwi has
                said is quoted.
            HostFault: this host can't do it.
        """
        self.opts = opts = opts or {}
        scratch = opts.get("scratch", False)
        scm = allowed_source(self, desc_url, scratch=scratch)
        tag = target_info["build_tag"]
        checkout_log = f"checkout-{arch}.log"
        with self.image_buildroot(tag, repo_info, arch, GROUP) as broot:
            imagetools.require(broot, GROUP, _PROGRAM)
            scmdir = broot.make_tmpdir()
            sources = check_out(self, scm, scmdir, build_tag=tag, scratch=scratch, log=checkout_log)
            place = os.path.join(os.path.basename(sources), os.path.dirname(desc_path))
            if opts.get("make_prep"):
                cwd = posixpath.join(broot.tmpdir(within=True), place)
                imagetools.run(broot, ["make", "prep"], cwd, "Preparation step failed")
            description = self._prepare(
                broot,
                os.path.basename(sources),
                desc_path,
                arch,
                name=name,
                version=version,
                releasever=opts.get("repo_releasever") or version,
                repos=self._repos(target_info, repo_info, arch),
            )
            self._build(broot, description, place, arch)
            self._bundle(broot, release, arch)
            files = self.take_files(broot, _BUNDLE)
            rpmlist = self._packages(broot, files)
            logs = [checkout_log, description]
            return self.result(broot, (name, version, release), arch, logs, files=files, rpmlist=rpmlist)

    def _root_options(self, repo_info: Row, group: str) -> Row:
        dirs = {"/dev": "/dev"} if self.opts.get("mount_dev") else {}
        return {**super()._root_options(repo_info, group), "bind_opts": {"dirs": dirs}}

    def _repos(self, target: Row, repo: Row, arch: str) -> List[str]:
        """URLs of what the image is made from; the build tag's repository when nothing else is asked for."""
        urls = list(self.opts.get("repos") or ())
        if self.opts.get("use_buildroot_repo") or not urls:
            top = koji.PathInfo(topdir=self.options.topurl).repo(repo["id"], target["build_tag_name"])
            urls.append(f"{top}/{koji.canonArch(arch)}")
        return urls

    def _prepare(self, broot: Any, checkout: str, path: str, arch: str, **values: Any) -> str:
        """Put the description that is built in the place of the one in the checkout, and upload it; returns its name.

        Args:
            broot: the buildroot.
            checkout: name of the directory of the sources.
            path: of the description there.
            arch: of the image.
            values: as for `kiwidescription.prepare`.
        """
        below = broot.tmpdir(within=True).lstrip("/") + f"/{checkout}"
        made = f"{os.path.splitext(path)[0]}.{arch}.kiwi"
        with open_directory(broot.rootdir(), below) as sources:
            text = kiwidescription.prepare(lambda one: kiwidescription.read_beneath(sources, one), path, **values)
        try:
            write_file(broot.rootdir(), f"{below}/{made}", text)
            # kiwi takes a directory with two descriptions for a mistake
            with open_directory(broot.rootdir(), os.path.dirname(f"{below}/{path}")) as directory:
                os.unlink(os.path.basename(path), dir_fd=directory)
        except (OSError, ValueError) as error:
            raise koji.GenericError(f"Kiwi description {path} can't be replaced: {error}") from error
        self.uploadFile(f"{broot.rootdir()}/{below}/{made}")
        return os.path.basename(made)

    def _build(self, broot: Any, description: str, place: str, arch: str) -> None:
        opts = self.opts
        log = f"/tmp/image-root.{arch}.log"  # noqa: S108 - the buildroot's
        words = [_PROGRAM]
        for option in ("profile", "type"):
            if opts.get(option):
                words += [f"--{option}", opts[option]]
        words += ["--kiwi-file", description, "--debug", "--logfile", log, "system", "build"]
        words += ["--description", place, "--target-dir", _IMAGE]
        for attribute in opts.get("type_attr") or ():
            words += ["--set-type-attr", attribute]
        imagetools.run(broot, words, broot.tmpdir(within=True), "Kiwi failed", log)

    def _bundle(self, broot: Any, release: str, arch: str) -> None:
        """Have kiwi put the release into the names of the files."""
        log = f"/tmp/kiwi-result-bundle.{arch}.log"  # noqa: S108 - the buildroot's
        words = [_PROGRAM, "--debug", "--logfile", log, "result", "bundle"]
        words += ["--target-dir", _IMAGE, "--bundle-dir", _BUNDLE, "--id", release]
        if self.opts.get("result_bundle_name_format"):
            words += ["--bundle-format", self.opts["result_bundle_name_format"]]
        imagetools.run(broot, words, broot.tmpdir(within=True), "Kiwi failed", log)

    def _packages(self, broot: Any, files: Sequence[str]) -> List[Row]:
        """What is in the image: kiwi's list of packages says so, its cache knows what they are.

        The cache also has what was installed only to make the image, and is not in there any more.
        """
        found = self.cached_packages(broot, _CACHE)
        lists = [name for name in files if name.endswith(".packages")]
        if not lists:
            return found
        listed: Set[Tuple[str, ...]] = set()
        with open_directory(broot.rootdir(), _BUNDLE.lstrip("/")) as directory:
            for name in lists:
                with open_beneath(directory, name) as opened:
                    listed |= kiwidescription.package_list(opened.read().decode("utf-8", errors="replace"))
        return [rpm for rpm in found if (rpm["name"], rpm["version"], rpm["release"], rpm["arch"]) in listed]
