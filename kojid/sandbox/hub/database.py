"""SQLite as the hub uses it: one file, many readers at once, one writer at a time.

A `Store` is the file. It hands out transactions: `Database` objects, one for each call of the hub. Readers have a
connection for each thread and never wait (write-ahead log); writers share one connection and take turns, so that a
transaction can't fail half way because another one wrote first.

Column types that mean something here: BOOLEAN comes back as bool, REAL as float (times are seconds since 1970).
`time_text(column)` in SQL gives a time as a hub writes it.
"""

from __future__ import annotations

import contextlib
import datetime
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

Params = Union[Sequence[Any], Mapping[str, Any]]
Row = Dict[str, Any]

#: Seconds that a writer waits for one of another process (an import of a whole distribution).
_PATIENCE = 300

sqlite3.register_converter("BOOLEAN", lambda raw: raw != b"0")


def time_text(seconds: Optional[float]) -> Optional[str]:
    """A time as a hub's answers write it: `2026-11-22 18:32:48.767124+00:00`."""
    if seconds is None:
        return None
    moment = datetime.datetime.fromtimestamp(seconds, tz=datetime.timezone.utc)
    return moment.isoformat(sep=" ", timespec="microseconds")


def marks(values: Sequence[Any]) -> str:
    """Placeholders for an SQL IN list: `?, ?, ?`."""
    return ", ".join("?" * len(values))


class Database:
    """One transaction. Every statement goes through here; column names come back as dict keys.

    Args:
        connection: an open connection with a transaction begun.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._changes = connection.total_changes

    @property
    def changed(self) -> bool:
        """Whether this transaction has changed anything so far."""
        return self._connection.total_changes != self._changes

    def execute(self, sql: str, params: Params = ()) -> sqlite3.Cursor:
        """Run one statement and return its cursor (rows are dicts)."""
        return self._connection.execute(sql, params)

    def one(self, sql: str, params: Params = ()) -> Optional[Row]:
        """The first row, or None."""
        row: Optional[Row] = self.execute(sql, params).fetchone()
        return row

    def all(self, sql: str, params: Params = ()) -> List[Row]:
        """All rows."""
        return self.execute(sql, params).fetchall()

    def value(self, sql: str, params: Params = (), default: Any = None) -> Any:
        """The first column of the first row, or `default` when there is no row."""
        row = self.one(sql, params)
        return default if row is None else next(iter(row.values()))

    def values(self, sql: str, params: Params = ()) -> List[Any]:
        """The first column of every row."""
        return [next(iter(row.values())) for row in self.execute(sql, params)]

    def insert(self, table: str, **values: Any) -> int:
        """Add a row and return its id (the rowid where the table has no id)."""
        names = ", ".join(f'"{name}"' for name in values)
        sql = f'INSERT INTO "{table}" ({names}) VALUES ({marks(list(values))})'
        if not values:
            sql = f'INSERT INTO "{table}" DEFAULT VALUES'
        return int(self.execute(sql, list(values.values())).lastrowid or 0)

    def insert_many(self, table: str, rows: Iterable[Row]) -> None:
        """Add rows that all have the same keys."""
        rows = list(rows)
        if not rows:
            return
        names = list(rows[0])
        columns = ", ".join(f'"{name}"' for name in names)
        sql = f'INSERT INTO "{table}" ({columns}) VALUES ({marks(names)})'
        self._connection.executemany(sql, [[row[name] for name in names] for row in rows])

    def update(self, table: str, where: Mapping[str, Any], **values: Any) -> int:
        """Set `values` in the rows whose columns equal `where` (None means NULL); return how many there were."""
        changes = ", ".join(f'"{name}" = ?' for name in values)
        condition, params = equal(where)
        sql = f'UPDATE "{table}" SET {changes} WHERE {condition}'
        return self.execute(sql, [*values.values(), *params]).rowcount

    def delete(self, table: str, where: Mapping[str, Any]) -> int:
        """Delete the rows whose columns equal `where`; return how many there were."""
        condition, params = equal(where)
        return self.execute(f'DELETE FROM "{table}" WHERE {condition}', params).rowcount


def equal(where: Mapping[str, Any]) -> Tuple[str, List[Any]]:
    """SQL condition and parameters for columns that equal values; a list means any of its members."""
    clauses: List[str] = []
    params: List[Any] = []
    for name, value in where.items():
        column = name if "." in name else f'"{name}"'
        if value is None:
            clauses.append(f"{column} IS NULL")
        elif isinstance(value, (list, tuple, set, frozenset)):
            members = list(value)
            clauses.append(f"{column} IN ({marks(members)})")
            params.extend(members)
        else:
            clauses.append(f"{column} = ?")
            params.append(value)
    return " AND ".join(clauses) or "1", params


class Store:
    """The database file.

    Args:
        path: where it lies; made when missing.
        schemas: SQL files that are run at every start (CREATE ... IF NOT EXISTS).
    """

    def __init__(self, path: Path, schemas: Iterable[Path] = ()) -> None:
        self.path = path
        self._local = threading.local()
        self._turn = threading.RLock()
        self._opened: List[sqlite3.Connection] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = self._open()
        self._writer.execute("PRAGMA journal_mode = WAL")
        for schema in schemas:
            self._writer.executescript(schema.read_text(encoding="utf-8"))

    def __del__(self) -> None:
        """A store that nobody holds any more closes its connections; Python 3.13 and later warn otherwise."""
        if hasattr(self, "_opened"):
            self.close()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Database]:
        """A transaction that sees one state of the data and can't write."""
        connection = self._reader()
        connection.execute("BEGIN")
        try:
            yield Database(connection)
        finally:
            connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def writing(self) -> Iterator[Database]:
        """A transaction that may write; kept when the block ends well, undone when it raises."""
        with self._turn:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield Database(self._writer)
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")

    def close(self) -> None:
        """Close every connection."""
        with self._turn:
            for connection in self._opened:
                connection.close()
            self._opened.clear()

    def _reader(self) -> sqlite3.Connection:
        connection: Optional[sqlite3.Connection] = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._open()
            connection.execute("PRAGMA query_only = ON")
            self._local.connection = connection
        return connection

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            str(self.path),
            timeout=_PATIENCE,
            isolation_level=None,
            check_same_thread=False,
            detect_types=sqlite3.PARSE_DECLTYPES,
        )
        connection.row_factory = _row
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.create_function("time_text", 1, time_text, deterministic=True)
        connection.create_function("now", 0, time.time)
        self._opened.append(connection)
        return connection


def _row(cursor: sqlite3.Cursor, values: Tuple[Any, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.description, values)}
