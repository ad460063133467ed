"""What a runroot task may mount from this host, as runroot.conf says (contract 6.13).

An admin lists the mounts that every task gets, and the places below which a task may ask for more. Paths are compared
by whole components: a safe root /mnt/tmp is not the beginning of /mnt/tmp-of-others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

import koji

from kojid.buildroot.chrootmounts import Mount
from kojid.plugins.iniconfig import IniConfig

_SECTION = re.compile(r"path(\d+)\Z")
_PATHS = ("default_mounts", "safe_roots", "path_subs")
_SOURCE = ("mountpoint", "path", "fstype", "options")


@dataclass(frozen=True)
class Source:
    """A section [pathN]: where the paths below a mount point come from."""

    mountpoint: str
    path: str
    fstype: str
    options: Tuple[str, ...]


@dataclass(frozen=True)
class RunrootConfig:
    """The file's content, checked.

    Args:
        internal_dev_setup: whether mock sets up /dev; None leaves it to the koji library.
        default_mounts: what every task gets.
        safe_roots: below what tasks may ask for more.
        path_subs: beginnings of paths and what takes their place, in the order in which they are applied.
        sources: by the number of their section; the first that fits counts.
    """

    internal_dev_setup: Optional[bool]
    default_mounts: Tuple[str, ...]
    safe_roots: Tuple[str, ...]
    path_subs: Tuple[Tuple[str, str], ...]
    sources: Tuple[Source, ...]

    def defaults(self) -> List[Mount]:
        """The mounts of every task."""
        return [self._mount(path) for path in self.default_mounts]

    def requested(self, paths: Sequence[str]) -> List[Mount]:
        """The mounts that a task asks for, writable.

        Raises:
            koji.GenericError: one is not below a safe root, is no plain path, or this host has no source for it.
        """
        return [self._requested(path) for path in paths]

    def _requested(self, asked: str) -> Mount:
        path = plain_path(asked)
        safe = next((root for root in self.safe_roots if path is not None and is_below(path, root)), None)
        if path is None or safe is None:
            raise koji.GenericError(f"read-write mount point is not safe: {asked}")
        for before, after in self.path_subs:
            path, safe = _substituted(path, before, after), _substituted(safe, before, after)
        try:
            return self._mount(path, writable=True, trusted=safe)
        except LookupError:
            raise koji.GenericError(
                f"this host has nothing to mount at {path}: no section of runroot.conf fits"
            ) from None

    def _mount(self, path: str, *, writable: bool = False, trusted: str = "") -> Mount:
        """Raises LookupError when no source fits."""
        source = next((one for one in self.sources if is_below(path, one.mountpoint)), None)
        if source is None:
            raise LookupError(path)
        options = tuple("rw" if writable and option == "ro" else option for option in source.options)
        device = _moved(path, source.mountpoint, source.path)
        if not writable:
            return Mount(device, path, source.fstype, options, trusted=device)
        # The admin's own words may go by way of links: the source's path, and the safe root where that leads further.
        top = trusted if is_below(trusted, source.mountpoint) else source.mountpoint
        return Mount(device, path, source.fstype, options, trusted=_moved(top, source.mountpoint, source.path))


def read(directory: str, *, warn: bool = False) -> RunrootConfig:
    """Read runroot.conf.

    Args:
        directory: the option `plugin_config_dir`.
        warn: whether to say in the log what nothing reads.

    Raises:
        ConfigError: something in it is wrong.
    """
    file = IniConfig(directory, "runroot")
    names = sorted((name for name in file.sections() if _SECTION.match(name)), key=lambda name: int(name[4:]))
    if warn:
        known: Dict[str, Sequence[str]] = {"runroot": ("internal_dev_setup",), "paths": _PATHS}
        file.warn_of_unknown({**known, **dict.fromkeys(names, _SOURCE)})
    config = RunrootConfig(
        internal_dev_setup=file.boolean("runroot", "internal_dev_setup"),
        default_mounts=_paths(file, "default_mounts"),
        safe_roots=_paths(file, "safe_roots"),
        path_subs=_substitutions(file),
        sources=tuple(_source(file, name) for name in names),
    )
    try:
        config.defaults()
    except LookupError as error:
        raise file.problem(
            f"no section [pathN] has a mountpoint for {error.args[0]}", "paths", "default_mounts"
        ) from None
    return config


def _paths(file: IniConfig, option: str) -> Tuple[str, ...]:
    return tuple(_path(file, "paths", option, value) for value in file.items("paths", option, ","))


def _path(file: IniConfig, section: str, option: str, value: str) -> str:
    path = plain_path(value)
    if path is None:
        raise file.problem(f"{value!r} is no absolute path, or has '..' in it", section, option)
    return path


def _substitutions(file: IniConfig) -> Tuple[Tuple[str, str], ...]:
    found = []
    for line in file.items("paths", "path_subs", "\n"):
        parts = [part.strip() for part in line.split(",")]
        if len(parts) != 2:
            raise file.problem(f"{line!r} is not BEFORE,AFTER", "paths", "path_subs")
        before, after = (_path(file, "paths", "path_subs", part) for part in parts)
        found.append((before, after))
    return tuple(found)


def _source(file: IniConfig, section: str) -> Source:
    values = {name: file.text(section, name) for name in _SOURCE}
    missing = [name for name in _SOURCE if not values[name]]
    if missing:
        raise file.problem(f"{' and '.join(missing)} must be set", section)
    mountpoint = _path(file, section, "mountpoint", str(values["mountpoint"]))
    options = tuple(file.items(section, "options", ","))
    path = str(values["path"])
    if "bg" in options:
        raise file.problem("a mount in the background (bg) can't be waited for", section, "options")
    if {"bind", "rbind"} & set(options):
        path = _path(file, section, "path", path)
    return Source(mountpoint, path, str(values["fstype"]), options)


def plain_path(path: object) -> Optional[str]:
    """An absolute path without needless slashes and dots; None for one that is relative, is "/" or climbs with ".."."""
    if not isinstance(path, str) or not path.startswith("/") or not path.isprintable():
        return None
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return None if not parts or ".." in parts else "/" + "/".join(parts)


def is_below(path: str, top: str) -> bool:
    """Whether a path is another one or lies below it."""
    return path == top or path.startswith(top + "/")


def _moved(path: str, top: str, elsewhere: str) -> str:
    """A path at or below `top`, as it is called when `top` is called otherwise."""
    rest = path[len(top) :]
    return elsewhere.rstrip("/") + rest if rest else elsewhere


def _substituted(path: str, before: str, after: str) -> str:
    return _moved(path, before, after) if is_below(path, before) else path
