"""What is installed in a buildroot: read, looked up in the repository's list and told to the hub, twice for a build."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import koji

from bench.bigtag import BigTags
from bench.harness import Bench, Figure, Results, Skip, measures
from bench.scene import Scene, scene, size
from kojid.buildroot.buildroot import BuildRoot
from kojid.config.options import Options
from kojid.hub.session import login
from kojid.sandbox.mock import ensure_accounts
from tests.support import rpmwriter

_TAG = "demo-build"
_COUNTS = (400, 4000)
_FIELDS = ("name", "version", "release", "epoch", "arch", "sigmd5", "size", "buildtime")
_PEER = (
    "the library's functions in the order of contract 7.8 (`koji.get_header_fields`, `koji.openRemoteFile`): the "
    "repository's list is fetched and all packages are sent each time"
)
_HOW = (
    "`BuildRoot.init` and `BuildRoot.build` with a mock that does nothing, whose two starts count, on a root with "
    "an rpm database; the build installs nothing more"
)


def _figures(count: int) -> List[Figure]:
    what = f"package list of a buildroot of {count:,} packages, told after its making and after the build"
    return [
        Figure(f"package-list-{count}", "s", what, peer=_PEER, how=_HOW, grows="with the packages"),
        Figure(
            f"package-list-{count}-bytes",
            "bytes",
            f"requests and answers: {what}",
            peer=_PEER,
            how="the hub's log",
            grows="with the packages",
        ),
    ]


@measures(*[figure for count in _COUNTS for figure in _figures(count)])
def package_lists(bench: Bench) -> Results:
    """A usual buildroot and a large one."""
    if not shutil.which("rpm"):
        raise Skip("needs rpm")
    if os.geteuid() == 0:
        ensure_accounts()
    found: Dict[str, Any] = {}
    with scene(bench, ("ours", "peer")) as place:
        tags = BigTags(place, (_TAG,), ("x86_64",), bench.size(_COUNTS[-1], small=30))
        ours, peer = _Ours(place), _Peer(place)
        for count in _COUNTS:
            database = _database(bench.dir / f"root{count}", tags.names[: bench.size(count, small=30)])
            samples = bench.pairs(lambda: _sample(ours, database), lambda: _sample(peer, database))  # noqa: B023
            found.update({f"package-list-{count}{suffix}": result for suffix, result in samples.items()})
        ours.session.logout()
    return found


def _database(directory: Path, names: List[str]) -> Path:
    """An rpm database in which packages of these names are installed."""
    paths = rpmwriter.write(directory / "rpms", *(f"{name}-1.0-1.x86_64" for name in names))
    (directory / "list").write_text("".join(f"{path}\n" for path in paths))
    (directory / "db").mkdir()
    command = ["rpm", "--dbpath", str(directory / "db"), "-i", "--justdb", "--nodeps", "--noscripts", "--ignorearch"]
    subprocess.run([*command, str(directory / "list")], check=True, capture_output=True)
    return directory / "db"


class _Host:
    """A build host with an open task and a repository.

    Args:
        place: the hub.
        name: of the host.
        session: of the host.
    """

    def __init__(self, place: Scene, name: str, session: Any) -> None:
        self.place, self.name, self.session = place, name, session
        self.task_id = place.task(name, "buildArch", _TAG)
        session.host.openTask(self.task_id)
        self.repo_id, _event = session.host.repoInit(_TAG, task_id=self.task_id)
        session.host.repoDone(self.repo_id, {})

    def prepare(self, database: Path) -> Callable[[], None]:
        """Make a buildroot; what tells its packages to the hub twice."""
        raise NotImplementedError


def _sample(host: _Host, database: Path) -> Dict[str, float]:
    told = host.prepare(database)
    mark = host.place.tape.mark()
    begun = time.monotonic()
    told()
    return {"": time.monotonic() - begun, "-bytes": size(host.place.tape.calls(mark, host.name))}


class _Ours(_Host):
    def __init__(self, place: Scene) -> None:
        values = place.fleet.builder_options("ours", place.fleet.dir / "ours")
        for option in ("workdir", "mockdir", "mock_config_dir"):
            Path(values[option]).mkdir(parents=True)
        stub = Path(values["workdir"]) / "mock"
        stub.write_text("#!/bin/sh\n")
        stub.chmod(0o755)
        texts = {option: str(value) if isinstance(value, Path) else value for option, value in values.items()}
        self.options: Any = Options({**texts, "mockpath": str(stub)})
        self.options.split_topurl()
        session = login(self.options)
        session.exclusiveSession(force=True)
        super().__init__(place, "ours", session)

    def prepare(self, database: Path) -> Callable[[], None]:
        root = BuildRoot(self.session, self.options, _TAG, "x86_64", self.task_id, repo_id=self.repo_id)
        root.workdir = self.options.workdir
        shutil.copytree(database, f"{root.rootdir()}/var/lib/rpm")

        def told() -> None:
            root.init()
            root.build("a.src.rpm")

        return told


class _Peer(_Host):
    def __init__(self, place: Scene) -> None:
        super().__init__(place, "peer", place.hub.session("peer", exclusive=True))
        self._numbers = itertools.count()

    def prepare(self, database: Path) -> Callable[[], None]:
        host = self.session.host
        root_id = host.newBuildRoot(self.repo_id, "x86_64", task_id=self.task_id)
        copy = database.with_name(f"peer{next(self._numbers)}")
        shutil.copytree(database, copy)

        def told() -> None:
            host.setBuildRootList(root_id, self._packages(copy))
            host.setBuildRootState(root_id, "BUILDING")
            host.updateBuildRootList(root_id, self._packages(copy))

        return told

    def _packages(self, database: Path) -> List[Dict[str, Any]]:
        installed = list(_installed(database))
        repo = self.session.repoInfo(self.repo_id)
        self.session.getExternalRepoList(repo["tag_id"], event=repo["create_event"])
        listed = f"repos/{_TAG}/{self.repo_id}/x86_64/rpmlist.jsonl"
        with koji.openRemoteFile(listed, topurl=self.place.hub.files_url) as opened:
            rows = [json.loads(line) for line in opened]
        known = {"{name}-{version}-{release}.{arch}".format_map(row): row for row in rows}
        for package in installed:
            row = known["{name}-{version}-{release}.{arch}".format_map(package)]
            assert row["payloadhash"] == package["payloadhash"]
            package["id"] = row["id"]
        return installed


def _installed(database: Path) -> Iterator[Dict[str, Any]]:
    import rpm

    rpm.addMacro("_dbpath", str(database))
    try:
        for header in rpm.TransactionSet().dbMatch():
            package = koji.get_header_fields(header, _FIELDS)
            package["payloadhash"] = koji.hex_string(package.pop("sigmd5"))
            yield package
    finally:
        rpm.delMacro("_dbpath")
