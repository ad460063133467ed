"""A tag of very many packages on a sandbox hub: real RPM files, and rows put into the hub's database in one go.

Importing them by calls, as a build does, would take an hour; what a builder gets to see is the same.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from typing import Any, Dict, Iterator, List, Sequence

import koji

from bench.scene import Scene
from tests.support import rpmwriter


class BigTags:
    """Tags that all hold the same packages.

    Args:
        place: where the hub is.
        tags: their names.
        arches: of the tags; each build has a package for each.
        count: of builds.
    """

    def __init__(self, place: Scene, tags: Sequence[str], arches: Sequence[str], count: int) -> None:
        self._place = place
        self._arches = arches
        self._tags = {name: int(place.admin.createTag(name, arches=" ".join(arches))) for name in tags}
        self._next_release = 2
        self.names = [f"pack{number * 7919 % 1000003:06d}" for number in range(count)]
        self._fill()

    def change(self, tag: str) -> None:
        """Put a newer build of one package into a tag."""
        release, self._next_release = str(self._next_release), self._next_release + 1
        with self._database() as database:
            event = _insert(database, "events", time=time.time())
            build = self._build(database, event, self.names[len(self.names) // 2], release)
            self._list(database, event, self._tags[tag], build)

    def forget_repos(self, tag: str) -> None:
        """Have no older repository of a tag count."""
        with self._database() as database:
            states = (koji.REPO_STATES["EXPIRED"], self._tags[tag])
            database.execute("UPDATE repo SET state = ? WHERE tag_id = ?", states)

    def _fill(self) -> None:
        with self._database() as database:
            event = _insert(database, "events", time=time.time())
            for name in self.names:
                package = _insert(database, "package", name=name)
                build = self._build(database, event, name, "1")
                for tag in self._tags.values():
                    row = {"package_id": package, "tag_id": tag, "create_event": event, "creator_id": 1}
                    _insert(database, "tag_packages", **row)
                    _insert(database, "tag_package_owners", **row, owner=1)
                    self._list(database, event, tag, build)

    def _build(self, database: sqlite3.Connection, event: int, name: str, release: str) -> int:
        """A build with its packages, on the disk and in the database."""
        (package,) = database.execute("SELECT id FROM package WHERE name = ?", (name,)).fetchone()
        now = time.time()
        build = _insert(
            database,
            "build",
            pkg_id=package,
            version="1.0",
            release=release,
            create_event=event,
            start_time=now,
            completion_time=now,
            state=koji.BUILD_STATES["COMPLETE"],
            owner=1,
        )
        top = self._place.hub.topdir / "packages" / name / "1.0" / release
        for arch in self._arches:
            content = rpmwriter.rpm(name, "1.0", release, arch)
            (top / arch).mkdir(parents=True)
            (top / arch / f"{name}-1.0-{release}.{arch}.rpm").write_bytes(content)
            row: Dict[str, Any] = {"name": name, "version": "1.0", "release": release, "arch": arch}
            row.update(payloadhash=rpmwriter.payloadhash(content), size=len(content), buildtime=1700000000)
            _insert(database, "rpminfo", build_id=build, **row)
        return build

    @staticmethod
    def _list(database: sqlite3.Connection, event: int, tag: int, build: int) -> None:
        _insert(database, "tag_listing", build_id=build, tag_id=tag, create_event=event, creator_id=1)

    @contextlib.contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        path = self._place.hub.settings.hub_dir / "hub.db"
        with contextlib.closing(sqlite3.connect(path, timeout=60)) as database:
            database.create_function("now", 0, time.time)
            with database:
                yield database


def _insert(database: sqlite3.Connection, table: str, **row: Any) -> int:
    names: List[str] = list(row)
    marks = ", ".join("?" for _name in names)
    done = database.execute(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", list(row.values()))
    assert done.lastrowid is not None
    return done.lastrowid
