"""The command lines of git, svn and cvs (contract 8.4); nothing is run here.

The parts of the URL have been checked (`scmurl`). Where a program knows `--`, arguments follow it all the same.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, List, Sequence, Tuple

import koji

FETCHED = "KOJI_FETCH_HEAD"
COMMON = "common"

Command = Sequence[str]


@dataclass(frozen=True)
class Plan:
    """What is done for a checkout.

    Args:
        clone: fetches the repository or the module, run in the directory of the checkout.
        directory: what `clone` makes there.
        module: the directory of the sources below that, empty for the whole.
        update: run in `directory` afterwards, one after the other.
        recovery: run there when one of `update` has failed.
        common: fetches the directory `common`.
        protocols: which of git's transports are needed, colons between them.
        remote: the repository's URL as the program gets it.
    """

    clone: Command
    directory: str
    common: Command
    remote: str
    module: str = ""
    update: Tuple[Command, ...] = ()
    recovery: Command = ()
    protocols: str = ""


def plan(scm: Any, scmdir: str) -> Plan:
    """The commands for a source.

    Args:
        scm: a koji.daemon.SCM, its parts checked.
        scmdir: absolute path of the directory of the checkout.

    Raises:
        koji.BuildError: a part that this kind of source needs is missing.
    """
    if scm.scmtype.endswith("+SSH") and not scm.user:
        raise koji.BuildError(f"No user specified for repository access scheme: {scm.scheme}")
    if scm.scmtype.startswith("GIT"):
        return _git(scm, scmdir)
    if scm.scmtype.startswith("SVN"):
        return _svn(scm)
    return _cvs(scm)


def _git(scm: Any, scmdir: str) -> Plan:
    """Fetching the ref by its name comes first, as a clone does not bring every ref (pull requests, notes)."""
    scheme = scm.scheme if scm.scmtype == "GIT+SSH" else scm.scheme.split("+")[-1]
    remote = f"{scheme}{scm.user + '@' if scm.user else ''}{scm.host}{scm.repository}"
    ending = next((ending for ending in ("/.git", ".git") if remote.endswith(ending)), "")
    stem = remote[: len(remote) - len(ending)]
    directory = os.path.basename(scm.repository[: len(scm.repository) - len(ending)])
    if directory in ("", ".", ".."):
        raise koji.BuildError(f"The SCM URL names no repository: {scm.url}")
    # origin/x means the server's branch x, which the server calls x
    revision = scm.revision[len("origin/") :] if scm.revision.startswith("origin/") else scm.revision
    return Plan(
        clone=["git", "clone", "-n", "--", remote, f"{scmdir}/{directory}"],
        directory=directory,
        module=scm.module,
        update=(
            ["git", "fetch", "--", "origin", f"{revision}:{FETCHED}"],
            ["git", "reset", "--hard", FETCHED, "--"],
        ),
        recovery=["git", "reset", "--hard", scm.revision, "--"],
        common=["git", "clone", "--", f"{os.path.dirname(stem)}/{COMMON}{ending}", COMMON],
        protocols={"git+https://": "https", "git+http://": "http:https"}.get(scm.scheme, scheme[:-3].split("+")[-1]),
        remote=remote,
    )


_SVN = ("svn", "checkout", "--non-interactive", "--ignore-externals")


def _svn(scm: Any) -> Plan:
    if scm.scmtype == "SVN+SSH":
        server = f"{scm.scheme}{scm.user}@{scm.host}{scm.repository}"
    else:
        server = f"{scm.scheme.split('+')[-1]}{scm.host}{scm.repository}"
    directory = scm.module or os.path.basename(scm.repository)
    if not directory:
        raise koji.BuildError(f"The SCM URL names no directory to check out: {scm.url}")
    source = f"{server}/{scm.module}" if scm.module else server
    return Plan(
        clone=[*_SVN, "-r", scm.revision, _unpegged(source), directory],
        directory=directory,
        common=[*_SVN, _unpegged(f"{server}/{COMMON}"), COMMON],
        remote=server,
    )


def _unpegged(url: str) -> str:
    """Where a path holds "@", svn takes the rest for a revision, unless another "@" ends it."""
    _, _, path = url.partition("://")
    return f"{url}@" if "@" in path.partition("/")[2] else url


def _cvs(scm: Any) -> Plan:
    if not scm.module:
        raise koji.BuildError(f"The SCM URL names no module to check out: {scm.url}")
    method = "ext" if scm.scmtype == "CVS+SSH" else "pserver"
    # with a port there is no colon before the path
    _, bracket, rest = scm.host.rpartition("]")
    place = scm.host if ":" in (rest if bracket else scm.host) else f"{scm.host}:"
    root = f":{method}:{scm.user or 'anonymous'}@{place}{scm.repository}"
    checkout: List[str] = ["cvs", "-d", root, "checkout"]
    return Plan(
        clone=[*checkout, "-r", scm.revision, "--", scm.module],
        directory=scm.module,
        common=[*checkout, COMMON],
        remote=root,
    )
