from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Iterator

import pytest

from kojid.sandbox.hub.database import Store, equal, time_text


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    schema = tmp_path / "schema.sql"
    schema.write_text("CREATE TABLE IF NOT EXISTS thing (id INTEGER PRIMARY KEY, name TEXT, good BOOLEAN, size REAL);")
    store = Store(tmp_path / "db", [schema])
    yield store
    store.close()


def test_times_look_like_a_hubs() -> None:
    assert time_text(1795372368.767124) == "2026-11-22 18:32:48.767124+00:00"
    assert time_text(1795372368.0) == "2026-11-22 18:32:48.000000+00:00"
    assert time_text(None) is None


def test_conditions_know_null_and_lists() -> None:
    assert equal({"a": None, "b": [1, 2], "t.c": 3}) == ('"a" IS NULL AND "b" IN (?, ?) AND t.c = ?', [1, 2, 3])
    assert equal({}) == ("1", [])


def test_rows_are_dicts_with_bool_and_float(store: Store) -> None:
    with store.writing() as db:
        thing = db.insert("thing", name="x", good=True, size=3)
    with store.reading() as db:
        row = db.one("SELECT * FROM thing WHERE id = ?", (thing,))
        assert row == {"id": thing, "name": "x", "good": True, "size": 3.0}
        assert isinstance(row["size"], float)
        assert db.value("SELECT name FROM thing WHERE id = 99", default="none") == "none"


def test_what_raises_is_undone(store: Store) -> None:
    def write_and_fail() -> None:
        with store.writing() as db:
            db.insert("thing", name="lost")
            assert db.changed
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - its own
        write_and_fail()
    with store.reading() as db:
        assert db.all("SELECT * FROM thing") == []


def test_a_reader_cannot_write(store: Store) -> None:
    def write() -> None:
        with store.reading() as db:
            db.insert("thing", name="no")

    with pytest.raises(sqlite3.OperationalError):
        write()


def test_writers_take_turns_and_readers_do_not_wait(store: Store) -> None:
    def add() -> None:
        for _ in range(50):
            with store.writing() as db:
                db.insert("thing", name=str(db.value("SELECT count(*) FROM thing")))

    with store.writing() as db:
        db.insert("thing", name="0")
        with store.reading() as reader:
            assert reader.value("SELECT count(*) FROM thing") == 0
    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.reading() as db:
        assert sorted(int(name) for name in db.values("SELECT name FROM thing")) == list(range(201))
