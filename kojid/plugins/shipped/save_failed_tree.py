"""`saveFailedTree`: what a failed build has left in its buildroot is put on the hub as an archive (contract 6.13)."""

# Method, argument and attribute names are koji's.
# ruff: noqa: N803, N815

from __future__ import annotations

import gzip
import os
from dataclasses import dataclass
from typing import Any, ClassVar, Dict, List, Optional, Tuple

import koji

from kojid.buildroot.buildroot import BuildRoot
from kojid.buildroot.treearchive import TreeArchive
from kojid.config.options import Options
from kojid.errors import ConfigError, HostFault
from kojid.hub.upload import Uploader
from kojid.plugins.iniconfig import IniConfig
from kojid.tasks.base import BaseTaskHandler

_PARTIAL = "builddir"
_COMPRESSION = 6
# The stock sample has the volume in [global], where the stock plugin does not look for it (contract 11, item 36).
_SECTIONS = ("general", "global")
_LOGGED = 50  # lines about what is missing in the archive


@dataclass(frozen=True)
class Settings:
    """What save_failed_tree.conf says.

    Args:
        filters: globs of what is left out.
        volume: the hub's volume for the archives; None for the default one.
    """

    filters: Tuple[str, ...]
    volume: Optional[str]


def read(directory: str, *, warn: bool = False) -> Settings:
    """Read save_failed_tree.conf.

    Args:
        directory: the option `plugin_config_dir`.
        warn: whether to say in the log what nothing reads, and what is read although it should be elsewhere.

    Raises:
        ConfigError: something in it is wrong.
    """
    file = IniConfig(directory, "save_failed_tree")
    volumes = {section: file.text(section, "volume") for section in _SECTIONS}
    if warn:
        file.warn_of_unknown({"filters": ("paths",), **dict.fromkeys(_SECTIONS, ("volume",))})
        if volumes["global"]:
            file.warn("global", "volume", "belongs into [general]; it is used, but stock builders ignore it")
    volume = volumes["general"] or volumes["global"]
    return Settings(tuple(file.items("filters", "paths")), volume or None)


def check(options: Options) -> None:
    """Look at save_failed_tree.conf when the daemon starts. Raises ConfigError."""
    read(options.plugin_config_dir, warn=True)


class SaveFailedTreeTask(BaseTaskHandler):
    """Save what is in a failed task's buildroot."""

    Methods: ClassVar[List[str]] = ["saveFailedTree"]
    _taskWeight = 3.0

    def handler(self, buildrootID: int, full: bool = False) -> None:
        """Upload it as broot-ID.tar.gz, while it is read.

        Args:
            buildrootID: its id.
            full: all of the chroot; else only its /builddir.

        Raises:
            koji.GenericError: the hub does not know it, or nothing is left of it here; save_failed_tree.conf is wrong.
            HostFault: it is another host's.
        """
        row = self._row(buildrootID)
        settings = self._settings()
        root = BuildRoot(self.session, self.options, row).rootdir()
        top = root if full else f"{root}/{_PARTIAL}"
        if not os.path.isdir(top) or os.path.islink(top):
            raise koji.GenericError(
                f"Buildroot directory is missing: {top} (buildroots of failed tasks are kept for "
                f"{self.options.failed_buildroot_lifetime} seconds here, less when space is short)"
            )
        self._save(top, f"broot-{buildrootID}.tar.gz", settings)

    def _row(self, buildroot_id: int) -> Dict[str, Any]:
        row: Optional[Dict[str, Any]] = self.session.getBuildroot(buildroot_id)
        if row is None:
            raise koji.GenericError(f"Nonexistent buildroot: {buildroot_id}")
        if row["host_id"] != self.session.host.getHost()["id"]:
            raise HostFault(f"buildroot {buildroot_id} is on another host, {row['host_name']}")
        return row

    def _settings(self) -> Settings:
        try:
            return read(self.options.plugin_config_dir)
        except ConfigError as error:
            # No other host has the buildroot: to give the task back would only hide why it can't be done.
            raise koji.GenericError(f"the host that has the buildroot can't save it: {error}") from error

    def _save(self, top: str, name: str, settings: Settings) -> None:
        uploader = Uploader(self.session, self.getUploadDir(), volume=settings.volume)
        tar_name = name[: -len(".gz")]
        with uploader.writer(name) as upload, gzip.GzipFile(tar_name, "wb", _COMPRESSION, upload) as packed:
            archive = TreeArchive(packed, top, settings.filters)
            archive.write()
        for line in archive.left_out[:_LOGGED]:
            self.logger.warning("not in %s: %s", name, line)
        self.logger.info("%s is saved as %s, %d things in it could not be read", top, name, len(archive.left_out))
