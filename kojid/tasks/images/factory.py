"""The base of tasks that make images with ImageFactory: its kickstart file, its template, its run (contract 6.9, 10.2).

ImageFactory installs into a virtual machine on the host rather than in a chroot. `factorydriver` runs it in a process
of its own, in the task's working directory; what it made is told in a file.
"""

# Method and attribute names are koji's: subclasses of plugins know them.
# ruff: noqa: N802

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import Any, ClassVar, Dict, List, Optional, Tuple

import koji

from kojid.buildroot import disktrouble
from kojid.buildroot.logs import follow
from kojid.errors import HostFault
from kojid.hub.upload import Uploader
from kojid.system import phases
from kojid.system.accounts import clean_environment
from kojid.tasks.checkouts import allowed_source, check_out
from kojid.tasks.images import converters, factoryxml
from kojid.tasks.images.kickstart import PYKICKSTART, Kickstart, Source, override_repos
from kojid.tasks.parts import OptionalParts, library

Row = Dict[str, Any]

IMGFAC = library("imgfac", "imagefactory, imagefactory-plugins-TinMan and those of the formats")
OZ = library("oz", "oz")

_PLUGINS = "/etc/imagefactory/plugins.d"
_DAY = 24 * 3600.0
_SCREENSHOTS = "oz_screenshots"
_NO_HYPERVISOR = ("Failed to connect socket", "failed to connect to the hypervisor")


class OzImageTask(OptionalParts):
    """Make an image with ImageFactory.

    Attributes, which the handler sets:
        opts: the task's options.
        arch: of the image.
        target_info: the build target.
        repo_info: the repository of the build tag.
        imgname: name, version, release and arch of the image.
    """

    Methods: ClassVar[List[str]] = []
    parts = (PYKICKSTART, IMGFAC, OZ)
    #: By format: `qemu` says whether a machine of qemu's can use an image of it.
    supported_formats: Dict[str, Row] = {}  # noqa: RUF012 - the stock class has it so, and subclasses set it
    opts: Row
    arch: str
    target_info: Row
    repo_info: Row
    imgname: str

    # -- the kickstart file

    def fetchKickstart(self, build_tag: str) -> str:
        """Fetch the kickstart file of the options kickstart and ksurl, and upload it as it is.

        Args:
            build_tag: name of the build tag, for the callbacks of plugins.

        Returns:
            its path.

        Raises:
            koji.BuildError: there is none, or its source is not allowed.
        """
        wanted = str(self.opts.get("kickstart") or "")
        directory, name = self.fetch(wanted, self.opts.get("ksurl"), build_tag, f"checkout-{self.arch}.log")
        source = Source(directory, name, koji.BuildError)
        Uploader(self.session, self.getUploadDir()).file(io.BytesIO(source.original()), source.name)
        return os.path.join(directory, name)

    def fetch(self, path: str, url: Optional[str], build_tag: str, log: str) -> Tuple[str, str]:
        """Fetch a file from the hub or from version control.

        Args:
            path: below the hub's volume, or with a URL in that checkout; there the name alone will do as well.
            url: of the checkout.
            build_tag: for the callbacks of plugins.
            log: name of the checkout's log.

        Returns:
            a directory that can be trusted, and where in there the file has to be.

        Raises:
            koji.BuildError: its source is not allowed, or no file is named.
        """
        if not path:
            raise koji.BuildError("no file is named")
        if not url:
            directory, name = os.path.split(self.localPath(path))
            return directory, name
        scratch = self.opts.get("scratch")
        scm = allowed_source(self, url, scratch=scratch)
        sources = Path(self.workdir, "sources")
        sources.mkdir(exist_ok=True)
        checkout = check_out(self, scm, str(sources), build_tag=build_tag, scratch=scratch, log=log)
        name = os.path.basename(path)
        return checkout, name if os.path.lexists(os.path.join(checkout, name)) else path

    def readKickstart(self, kspath: str) -> Kickstart:
        """Read a kickstart file; what it includes has to lie beside it.

        Raises:
            koji.BuildError: it can't be read, or is wrong.
        """
        return Kickstart(Source(*os.path.split(kspath), koji.BuildError), self.opts.get("ksversion"))

    def prepareKickstart(self, kspath: str, install_tree: str) -> Kickstart:
        """Read a kickstart file and give it the repositories of the option repo, else the build tag's, and the tree.

        Raises:
            koji.BuildError: it is wrong, or noverifyssl is asked for and not allowed here.
        """
        kickstart = self.readKickstart(kspath)
        unverified = bool(self.opts.get("noverifyssl"))
        if unverified and not self.options.allow_noverifyssl:
            raise koji.BuildError("noverifyssl option is not enabled")
        urls = [url.replace("$arch", self.arch) for _name, url in override_repos(self.opts.get("repo") or [])]
        if not urls:
            paths = koji.PathInfo(topdir=self.options.topurl or self.options.topdir)
            urls = [f"{paths.repo(self.repo_info['id'], self.target_info['build_tag_name'])}/{self.arch}"]
        kickstart.use_repos(override_repos(urls), noverifyssl=unverified)
        kickstart.use_url(install_tree, noverifyssl=unverified)
        return kickstart

    def writeKickstart(self, ksobj: Kickstart, ksname: str) -> str:
        """Write a kickstart file into the working directory and upload it; returns its path."""
        path = Path(self.workdir, os.path.basename(ksname))
        path.write_text(ksobj.text(), encoding="utf-8")
        self.uploadFile(str(path))
        return str(path)

    # -- what ImageFactory is told

    def makeConfig(self) -> Row:
        """ImageFactory's configuration: it keeps to the working directory and sees no earlier image."""
        work = str(self.workdir)
        return {
            "oz_data_dir": os.path.join(work, "oz_data"),
            "oz_screenshot_dir": os.path.join(work, _SCREENSHOTS),
            "imgdir": os.path.join(work, "scratch_images"),
            "tmpdir": os.path.join(work, "oz-tmp"),
            "verbose": True,
            "timeout": self.options.oz_install_timeout or None,
            "output": "log",
            "raw": False,
            "debug": True,
            "image_manager": "file",
            "plugins": _PLUGINS,
            "rhevm_image_format": "qcow2",
            "tdl_require_root_pw": False,
            "image_manager_args": {"storage_path": os.path.join(work, "output_image")},
        }

    def makeTemplate(self, name: str, inst_tree: str) -> str:
        """The TDL of an image by the options distro and disk_size; see `factoryxml.template`."""
        return factoryxml.template(name, self.arch, inst_tree, self.opts.get("distro"), self.opts.get("disk_size"))

    def parseDistro(self, distro: str) -> Tuple[str, str]:
        """Name and version of a distribution; see `factoryxml.distro_of`."""
        return factoryxml.distro_of(distro)

    def fixImageXML(self, format: str, filename: str, xmltext: str, image: str = "") -> str:  # noqa: A002 - stock
        """Write the description of a machine with an image of a format; see `factoryxml.domain`.

        Args:
            format: the image's.
            filename: of the description.
            xmltext: ImageFactory's.
            image: the image's file name.

        Returns:
            its path.
        """
        known = bool(self.supported_formats.get(format, {}).get("qemu"))
        text = factoryxml.domain(xmltext, self.imgname, image or f"{self.imgname}.{format}", format, known)
        path = Path(self.workdir, os.path.basename(filename))
        path.write_text(text, encoding="utf-8")
        return str(path)

    # -- running it

    @phases.during("image")
    def run_factory(self, request: Row, log: str) -> Row:
        """Run ImageFactory; its log is on the hub while it grows.

        Args:
            request: as for `factorydriver.work`; configuration and number are added.
            log: name of the log.

        Returns:
            what the driver has answered.

        Raises:
            koji.ApplianceError: it made no image; a screenshot is uploaded if there is one.
            HostFault: this host's disks are full, no hypervisor answers, or the library can't be set up.
        """
        work = Path(self.workdir)
        (work / "oz-tmp").mkdir(exist_ok=True)
        asked, told = work / "factory-request.json", work / "factory-answer.json"
        asked.write_text(json.dumps({**request, "config": self.makeConfig(), "number": self.id}))
        argv = [sys.executable, "-m", "kojid.tasks.images.factorydriver", str(asked), str(told)]
        # the driver sees the modules that the daemon sees, from wherever those were installed
        environment = {**clean_environment(), "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        streamer = follow(Uploader(self.session, self.getUploadDir()).block, str(work / log))
        try:
            converters.convert(
                self, argv, told, log=work / log, fault=koji.ApplianceError, timeout=self._time(),
                env=environment, cwd="/", on_tick=streamer.tick,
            )  # fmt: skip
        finally:
            streamer.finish()
        answer: Row = json.loads(told.read_text())
        if "unusable" in answer:
            raise HostFault(f"ImageFactory can't be used here: {answer['unusable']}", f"see {_PLUGINS} on this host")
        if "failed" in answer:
            self._failed(answer["failed"], answer["detail"], log)
        return answer

    def _time(self) -> float:
        """Seconds that all of it may take; the installation itself ends in `oz_install_timeout`."""
        installing = float(self.options.oz_install_timeout)
        return installing + float(self.options.command_timeout) if installing else _DAY

    def _failed(self, status: str, detail: str, log: str) -> None:
        screenshot = self.getScreenshot()
        if screenshot:
            self.uploadFile(screenshot, remoteName=f"screenshot{os.path.splitext(screenshot)[1]}")
        trouble = disktrouble.found(self.options, detail.splitlines())
        if trouble:
            raise HostFault(f"Image status is {status}", trouble)
        if any(words in detail for words in _NO_HYPERVISOR):
            raise HostFault(f"Image status is {status}: {detail}", "see that libvirtd runs on this host")
        if "No disk activity" in detail:
            detail = "Automated install failed or prompted for input. See the screenshot in the task results"
        raise koji.ApplianceError(f"Image status is {status}: {detail}; see {log} for more information")

    def getScreenshot(self) -> Optional[str]:
        """The path of the picture of a guest that did not get on, None if there is none."""
        directory = Path(self.workdir, _SCREENSHOTS)
        found = [path for pattern in ("*.png", "*.ppm") for path in sorted(directory.glob(pattern))]
        return str(found[0]) if found else None
