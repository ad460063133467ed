"""Which installed package is which on the hub: from an external repo, or this repo's own with its id (contract 7.8).

The files that say so belong to the repo and never change, so a host fetches each of them once (`repocache`), and a
process reads each of them once, however often the packages of its buildroots are listed (contract 11, item 42).
"""

from __future__ import annotations

import functools
import gzip
import json
import logging
import re
import zlib
from typing import Any, Callable, Dict, List, Optional, Tuple, TypeVar
from xml.etree import ElementTree

import koji

from kojid.buildroot.download import FileMissing, fetch
from kojid.buildroot.packages import Package
from kojid.hub import capabilities

logger = logging.getLogger("koji.build.buildroot")

T = TypeVar("T")
Members = Dict[str, Tuple[Optional[int], Optional[str]]]

Origins = Dict[str, List[str]]

_cache: Dict[Tuple[str, str, str], Any] = {}
_REPOMD = "{http://linux.duke.edu/metadata/repo}"


def nvra(package: Package) -> str:
    """N-V-R.A, the key by which packages are matched."""
    return "{name}-{version}-{release}.{arch}".format(**package)


class RepoContent:
    """What a repo says about the packages in it, for one arch.

    Args:
        session: the task's hub session.
        options: the daemon's options.
        repo_info: the repo, as `repoInfo` gives it.
        arch: canonical arch.
    """

    def __init__(self, session: Any, options: Any, repo_info: Dict[str, Any], arch: str) -> None:
        self._session = session
        self._options = options
        self._repo = repo_info
        self._arch = arch
        self._external: Optional[List[Dict[str, Any]]] = None
        tag, number = repo_info["tag_name"], repo_info["id"]
        self._directory = f"{koji.PathInfo(topdir='').repo(number, tag)}/{arch}".lstrip("/")

    def mark_external(self, packages: List[Package]) -> None:
        """Add `external_repo` and `location` to those packages that came from an external repo.

        Raises:
            koji.BuildError: a package's origin is not known.
            koji.GenericError: the origins can't be had.
        """
        repos = self._external_repos()
        if not repos:
            return
        by_url = {repo["url"].replace("$arch", self._arch).rstrip("/"): repo for repo in repos}
        origins = self._once("origins", self._read_origins)
        for package in packages:
            urls = origins.get(nvra(package))
            if not urls:
                raise koji.BuildError(f"No origin for {nvra(package)}")
            url = self._origin_of(package, urls)
            repo = by_url.get(url.rstrip("/"))
            if repo is not None:
                package["external_repo"] = repo
                package["location"] = repo["external_repo_id"]
            elif not self._is_local(url):
                raise koji.BuildError(f"Unknown origin for {nvra(package)}: {url}")

    def _external_repos(self) -> List[Dict[str, Any]]:
        """Those of the tag as it was when the repo was made, so asking once is enough."""
        if self._external is None:
            asked = self._session.getExternalRepoList(self._repo["tag_id"], event=self._repo["create_event"])
            self._external = list(asked or [])
        return self._external

    def _origin_of(self, package: Package, urls: List[str]) -> str:
        """The origin of a package; in the mode simple there can be several of one name, and its content tells which."""
        own = [url for url in urls if self._is_local(url)]
        others = [url for url in urls if url not in own]
        if not own or not others:
            return urls[0]
        listed = self._once("rpmlist", self._read_members) or {}
        known = listed.get(nvra(package), (None, None))[1]
        return own[0] if known in (None, package.get("payloadhash")) else others[0]

    def map_internal(self, packages: List[Package]) -> None:
        """Add the hub's `id` to those packages that are the repo's own.

        Raises:
            koji.BuildrootError: what is installed is not what the repo has under that name.
            koji.GenericError: the list of the repo can't be had.
        """
        listed = self._once("rpmlist", self._read_members)
        if listed is None:
            listed, complain = self._once("drafts", self._read_drafts), False
        else:
            complain = True
        for package in packages:
            if "external_repo" in package:
                continue
            number, payloadhash = listed.get(nvra(package), (None, None))
            if payloadhash is None:
                if complain:
                    logger.warning("%s not found in rpmlist.jsonl", nvra(package))
                continue
            if payloadhash != package["payloadhash"]:
                raise koji.BuildrootError(
                    f"RPM: {nvra(package)}: payloadhash: {package['payloadhash']} mismatch expected {payloadhash} "
                    "in rpmlist.jsonl"
                )
            package["id"] = number

    def _is_local(self, url: str) -> bool:
        """Whether an origin is the repo itself, as it lay in createrepo's working directory (contract 9.3, 4)."""
        return url.startswith("file://") and url.rstrip("/").endswith(f"/repo_{self._repo['id']}_premerge")

    def _once(self, what: str, read: Callable[[], T]) -> T:
        # Where it comes from is part of the key, for tests and for plugins that change the options.
        key = (what, self._directory, str(self._options.topurl or self._options.topdir))
        if key not in _cache:
            _cache[key] = read()
        found: T = _cache[key]
        return found

    def _fetch(self, name: str) -> bytes:
        # The event and the time make a hub that was set up anew, and begins its numbers again, another one.
        stamp = f"{self._repo['id']} {self._repo.get('create_event')} {self._repo.get('create_ts')}"
        return fetch(self._options, f"{self._directory}/{name}", stamp)

    def _read_members(self) -> Optional[Members]:
        """The repo's own packages by N-V-R.A; None for a repo from before hub 1.34, which has no such list."""
        try:
            content = self._fetch("rpmlist.jsonl")
        except FileMissing:
            logger.warning("Missing repo content file: %s/rpmlist.jsonl", self._directory)
            return None
        try:
            return _members([json.loads(line) for line in content.splitlines() if line.strip()])
        except (ValueError, KeyError) as error:
            raise koji.GenericError(f"{self._directory}/rpmlist.jsonl can't be read: {error!r}") from error

    def _read_drafts(self) -> Members:
        """Draft packages of the tag; of all others N-V-R.A is enough for a hub."""
        return _members(self.draft_rpms())

    def draft_rpms(self) -> List[Dict[str, Any]]:
        """Draft packages of the tag as the hub lists them; none where it knows no drafts."""
        if not capabilities.of(self._session).knows_drafts:
            return []
        rpms: List[Dict[str, Any]]
        rpms, _ = self._session.listTaggedRPMS(
            tag=self._repo["tag_id"], event=self._repo["create_event"], latest=True, draft=True
        )
        return rpms

    def _read_origins(self) -> Origins:
        """The origins of each package of the merged repo: N-V-R.A to URLs."""
        try:
            repomd = self._fetch("repodata/repomd.xml")
            location = _location(repomd, "origin")
            packed = self._fetch(location)
            text = gzip.decompress(packed).decode("utf-8")
        except (ElementTree.ParseError, EOFError, OSError, UnicodeDecodeError, zlib.error) as error:
            raise koji.GenericError(f"the origins of {self._directory} can't be read: {error}") from error
        origins: Origins = {}
        for line in text.splitlines():
            fields = line.split(None, 2)
            if len(fields) > 1:
                origins.setdefault(_without_epoch(fields[0]), []).append(fields[1])
        return origins


def _members(rpms: List[Dict[str, Any]]) -> Members:
    return {nvra(rpm): (rpm["id"], rpm["payloadhash"]) for rpm in rpms}


def _location(repomd: bytes, kind: str) -> str:
    """Where a repo has its metadata of one kind. Raises koji.GenericError when it has none or names a place outside."""
    for data in _xml(repomd).iter(f"{_REPOMD}data"):
        location = data.find(f"{_REPOMD}location")
        if data.get("type") == kind and location is not None:
            href = location.get("href", "")
            if href and "://" not in href and ".." not in href.split("/"):
                return href
    raise koji.GenericError(f"the repo has no usable metadata of the type {kind}")


def _xml(content: bytes) -> ElementTree.Element:
    return _parser()(content)


@functools.cache
def _parser() -> Callable[[bytes], ElementTree.Element]:
    """defusedxml's parser where it is installed; else the standard one, entities refused."""
    try:
        from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        return _without_entities
    parse: Callable[[bytes], ElementTree.Element] = fromstring
    return parse


def _without_entities(content: bytes) -> ElementTree.Element:
    if b"<!ENTITY" in content or b"<!DOCTYPE" in content:
        raise ElementTree.ParseError("it declares entities")
    return ElementTree.fromstring(content)  # noqa: S314 - what makes it unsafe has been refused


def _without_epoch(package: str) -> str:
    """N-V-R.A of [e:]N-V-R.A."""
    return re.sub(r"^\d+:", "", package)
