"""Packages of the 32-bit arch that a 64-bit dist-repo has beside its own, with what they need (contract 9.5, 8).

python-multilib says which packages are wanted for both arches (its method "devel"); dnf finds what they need in the
repository of the partner arch, which is made before. Both are imported only when needed (contract 11, item 47).
"""

from __future__ import annotations

import configparser
import json
import logging
import re
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Set
from urllib.parse import quote

import koji

from kojid.errors import HostFault
from kojid.repos.distlayout import package_path

logger = logging.getLogger("koji.build")

MISSING_LOG = "missing_multilib.log"
_MULTILIB = ("ppc64", "s390x", "sparc64", "x86_64")  # of the arches that repositories have
_PARTNERS = {"ppc64": "ppc", "s390x": "s390", "x86_64": "i686"}
_LISTS = (
    ("runtime_whitelist", "runtime", "white"),
    ("runtime_blacklist", "runtime", "black"),
    ("devel_whitelist", "devel", "white"),
    ("devel_blacklist", "devel", "black"),
)
_DNF_CONF = """\
[main]
debuglevel=2
gpgcheck=0
installroot={root}
cachedir={root}/cache
persistdir={root}/persist
logdir={root}/log
reposdir={root}/repos.d
pluginpath={root}/plugins

[koji-{task_id}]
name=packages of {arch}
baseurl={url}
enabled=1
"""

Row = Dict[str, Any]


class Partner(NamedTuple):
    """The repository that packages are taken from.

    Args:
        arch: of its packages, such as i686.
        directory: of its arch in the dist-repo.
    """

    arch: str
    directory: Path


class Multilib(NamedTuple):
    """What is to be decided.

    Args:
        arch: of the repository that gets the packages.
        partner: where they come from.
        config: the user's lists of names, an INI file.
        workdir: of the task; `dnf` in it is dnf's.
        task_id: names dnf's repository.
    """

    arch: str
    partner: Partner
    config: Path
    workdir: Path
    task_id: int


class Missing(koji.GenericError):
    """Packages of the partner arch that are wanted and not there.

    Args:
        files: where they were looked for.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        super().__init__(f"multilib packages missing. See {MISSING_LOG}")
        self.files = sorted(files)

    def text(self) -> str:
        """What `missing_multilib.log` says."""
        return "".join(f"{line}\n" for line in ("Multilib packages that are not there:", *self.files))


def has_multilib(arch: str) -> bool:
    """Whether packages of another arch can be used on an arch."""
    return arch in _MULTILIB


def partner_arch(arch: str) -> str:
    """The arch that a multilib arch is paired with. Raises koji.GenericError: none is known."""
    if arch not in _PARTNERS:
        raise koji.GenericError(f"which arch multilib packages of {arch} have is not known")
    return _PARTNERS[arch]


def packages(wanted: Multilib, own: Mapping[str, Row], config_written: Any = None) -> Dict[str, Row]:
    """The packages of the partner arch that belong into a repository as well.

    Args:
        wanted: what is to be decided.
        own: the repository's own packages by file name, with `_pkgpath`.
        config_written: called with the path of dnf's configuration before dnf begins.

    Returns:
        Them by file name, as `own`, marked with `_multilib`.

    Raises:
        HostFault: this host has no dnf for Python, or no python-multilib.
        Missing: the partner has no such packages.
        koji.GenericError: the configuration can't be read, or the packages can't be installed together.
    """
    dnf, library = _libraries()
    offered = _offered(wanted.partner)
    method = _method(library, wanted.config)
    config = _write_config(wanted)
    if config_written is not None:
        config_written(config)
    chosen = _counterparts(wanted, _selected(dnf, method, wanted, own))
    missing = {path for name, path in chosen.items() if name not in offered}
    needed = _resolve(dnf, wanted, [name for name in chosen if name in offered])
    places = {name: wanted.partner.directory / package_path(name) for name in needed}
    missing |= {path for name, path in places.items() if name not in offered or not path.exists()}
    if missing:
        raise Missing(missing)
    taken = {name: path for name, path in places.items() if _is_new(name, offered[name], own)}
    return {name: _taken(offered[name], path) for name, path in taken.items()}


def _taken(rpm: Row, path: Path) -> Row:
    kept = {key: value for key, value in rpm.items() if key != "_subrepo"}
    return {**kept, "_pkgpath": str(path), "_multilib": True}


def _is_new(name: str, rpm: Row, own: Mapping[str, Row]) -> bool:
    if name in own and rpm["arch"] != "noarch":
        logger.warning("A multilib package is in the repository already: %s", name)
    return name not in own


def _libraries() -> Any:
    try:
        import dnf
    except ImportError as error:
        raise HostFault(f"multilib needs dnf for Python ({error})", "install python3-dnf on this host") from error
    try:
        from multilib import multilib as library
    except ImportError as error:
        hint = "install python-multilib (RPM: python3-multilib) on this host"
        raise HostFault(f"multilib needs python-multilib ({error})", hint) from error
    return dnf, library


def _offered(partner: Partner) -> Dict[str, Row]:
    path = partner.directory / "kojipkgs"
    try:
        offered: Dict[str, Row] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        name = partner.directory.name
        raise koji.GenericError(f"multilib needs the packages of {name}: let it be one of the arches") from None
    return offered


def _method(library: Any, config: Path) -> Any:
    """The choice by the method "devel", with the user's lists of names.

    The library reads the file itself where Python still has what it uses for that (up to 3.11), and then takes part of
    a name on a list for the name.
    """
    lists = configparser.ConfigParser(interpolation=None)
    method = library.DevelMultilibMethod(None)
    try:
        with config.open(encoding="utf-8") as opened:
            lists.read_file(opened)
        for attribute, section, option in _LISTS:
            setattr(method, attribute, re.split(r"[\s,]+", lists.get(section, option).strip()))
    except FileNotFoundError:
        raise koji.GenericError(f"the multilib configuration is not there: {config}") from None
    except (configparser.Error, UnicodeDecodeError) as error:
        raise koji.GenericError(f"the multilib configuration {config.name} can't be read: {error}") from error
    return method


def _selected(dnf: Any, method: Any, wanted: Multilib, own: Mapping[str, Row]) -> List[Row]:
    """Those of the repository's packages that are wanted for both arches; one sack serves all (contract 11, 46)."""
    with dnf.Base(_conf(dnf, wanted)) as base:
        base.fill_sack(load_system_repo=False, load_available_repos=False)
        return [rpm for rpm in own.values() if method.select(base.sack.add_cmdline_package(rpm["_pkgpath"]))]


def _counterparts(wanted: Multilib, selected: Iterable[Row]) -> Dict[str, Path]:
    """File name and place of the partner arch's packages for these; noarch ones are the same there."""
    found: Dict[str, Path] = {}
    for rpm in selected:
        arch = rpm["arch"] if rpm["arch"] == "noarch" else wanted.partner.arch
        name = f"{rpm['name']}-{rpm['version']}-{rpm['release']}.{arch}.rpm"
        found[name] = wanted.partner.directory / package_path(name)
    return found


def _config(wanted: Multilib) -> Path:
    return wanted.workdir / "dnf" / f"dnf.conf-koji-{wanted.arch}"


def _write_config(wanted: Multilib) -> Path:
    root = wanted.workdir / "dnf"
    for below in ("log", "var/lib/rpm"):
        (root / below).mkdir(parents=True, exist_ok=True)
    path = _config(wanted)
    url = "file://" + quote(str(wanted.partner.directory))
    text = _DNF_CONF.format(root=root, task_id=wanted.task_id, arch=wanted.partner.arch, url=url)
    path.write_text(text, encoding="utf-8")
    return path


def _conf(dnf: Any, wanted: Multilib) -> Any:
    """dnf's configuration as a user sees it with the task: nothing of this host's own counts."""
    path = _config(wanted)
    conf = dnf.conf.Conf()
    conf.read(str(path))
    conf.config_file_path = str(path)
    conf.arch = wanted.arch
    return conf


def _resolve(dnf: Any, wanted: Multilib, chosen: Iterable[str]) -> Set[str]:
    """File names of packages of the partner's repository and of all that they need from there."""
    logger.info("Resolving the dependencies of multilib packages for %s", wanted.arch)
    with dnf.Base(_conf(dnf, wanted)) as base:
        try:
            base.read_all_repos()
            base.fill_sack(load_system_repo=False, load_available_repos=True)
            available = {_file_name(package): package for package in base.sack.query().available()}
            for name in chosen:
                _install(base, available.get(name), name)
            base.resolve()
        except dnf.exceptions.Error as error:
            raise koji.GenericError(f"multilib packages for {wanted.arch} can't be resolved: {error}") from error
        transaction = base.transaction
        return {_file_name(package) for package in transaction.install_set} if transaction else set()


def _install(base: Any, package: Optional[Any], name: str) -> None:
    if package is None:
        raise koji.GenericError(f"multilib: the metadata of the partner arch does not have {name}")
    base.package_install(package)


def _file_name(package: Any) -> str:
    return str(package.location).rpartition("/")[2]
