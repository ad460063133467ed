"""What git leaves out of a checkout unless it is told otherwise: submodules and the files of Git LFS.

Both are off by default (options scm_submodules, scm_lfs). Both let a repository name other places to fetch from, so a
submodule has to be allowed as its parent was, and the files of LFS come from the repository's own server only.
"""

from __future__ import annotations

import re
import shutil
from typing import Callable, Dict, List, Tuple

import koji

from kojid.errors import HostFault
from kojid.sources.scmcommands import Plan
from kojid.sources.scmworkplace import Workplace

_PROTOCOLS = "git:http:https:ssh"
_SCP = re.compile(r"([A-Za-z0-9_][\w.-]*@)?([A-Za-z0-9_][\w.-]*):(?!//)/?(.+)")
_SCHEMES = {"https://": "git+https://", "http://": "git+http://", "ssh://": "git+ssh://", "git://": "git://"}
_DEEPEST = 8
_REGULAR = "100644 blob"

Check = Callable[[str], None]


def fetch(place: Workplace, plan: Plan, check: Check) -> None:
    """Fetch what the options ask for, into a repository that has been checked out.

    Args:
        place: where the commands work.
        plan: how the repository was fetched.
        check: takes the URL of a submodule, as an SCM URL, and raises koji.BuildError when it is not allowed.
    """
    if place.options.scm_lfs:
        _lfs(place, plan)
    if place.options.scm_submodules:
        place.allow_protocols(_PROTOCOLS)
        _submodules(place, plan.directory, check, 1)


def _lfs(place: Workplace, plan: Plan) -> None:
    if shutil.which("git-lfs", path=place.environment["PATH"]) is None:
        raise HostFault("git-lfs is not installed", "install git-lfs on this host, or turn scm_lfs off")
    # a file in the repository could name another server
    place.configure_git({"lfs.url": lfs_url(plan.remote)})
    place.run("GIT", ["git", "lfs", "install", "--local", "--skip-repo"], plan.directory)
    place.run("GIT", ["git", "lfs", "pull", "origin"], plan.directory)


def lfs_url(remote: str) -> str:
    """The address of a repository's LFS server, as git-lfs works it out by default."""
    if remote.startswith("git+ssh://"):
        return remote[len("git+") :]
    if remote.startswith("git://"):
        remote = f"https{remote[len('git') :]}"
    return f"{remote}/info/lfs" if remote.endswith(".git") else f"{remote}.git/info/lfs"


def _submodules(place: Workplace, directory: str, check: Check, depth: int) -> None:
    """One level after the other, so that nothing is fetched that has not been checked."""
    if not place.ask(["git", "ls-tree", "HEAD", "--", ".gitmodules"], directory).startswith(_REGULAR):
        return
    if depth > _DEEPEST:
        raise koji.BuildError(f"Submodules are nested too deeply in {directory}")
    place.run("GIT", ["git", "submodule", "init"], directory)
    for _, url in _settings(place, directory, "--local", "url"):
        check(scm_url(url))
    place.run("GIT", ["git", "submodule", "update", "--checkout"], directory)
    for _, path in _settings(place, directory, "--blob=HEAD:.gitmodules", "path"):
        below = f"{directory}/{path}"
        if place.ask(["git", "ls-tree", "HEAD", "--", path], directory).startswith("160000 commit"):
            _submodules(place, below, check, depth + 1)


def _settings(place: Workplace, directory: str, source: str, key: str) -> List[Tuple[str, str]]:
    """Settings submodule.NAME.KEY: the name in full and the value."""
    command = ["git", "config", source, "-z", "--get-regexp", rf"^submodule\..*\.{key}$"]
    found: Dict[str, str] = {}
    for entry in place.ask(command, directory).split("\0"):
        name, newline, value = entry.partition("\n")
        if newline:
            found[name] = value
    return sorted(found.items())


def scm_url(url: str) -> str:
    """A URL of git's as an SCM URL, so that the same rules apply to it.

    Raises:
        koji.BuildError: it is a local path, or one of a transport that is not used here.
    """
    scheme = next((scheme for scheme in _SCHEMES if url.startswith(scheme)), "")
    scp = None if scheme or "://" in url or "::" in url else _SCP.fullmatch(url)
    if scp:
        url, scheme = f"ssh://{scp.group(1) or ''}{scp.group(2)}/{scp.group(3)}", "ssh://"
    if not scheme or re.search(r"[?#]", url):
        raise koji.BuildError(f"The submodule's URL is not allowed: {url!r}")
    return f"{_SCHEMES[scheme]}{url[len(scheme) :]}#HEAD"
