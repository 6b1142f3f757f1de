# SPDX-License-Identifier: Apache-2.0
"""The data directory: one SQLite file with resources and streamed records, and a folder of files per resource.

A write is on disk when its method returns (WAL, synchronous FULL): a killed engine loses nothing that it has
acknowledged. In memory it is only written: `--in-memory` keeps the folder among temporary files.
"""

import fcntl
import json
import os
import re
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Final

from personalize_local.data.records import PutRecord, StreamedEvent, event_from_json, to_json
from personalize_local.data.snapshots import SnapshotSpec
from personalize_local.resources.group_commit import GroupCommit
from personalize_local.resources.shortages import of_disk
from personalize_local.wire.errors import StorageFailed

LAYOUT: Final = 2
"""The version of this layout, of the tables and of the files in folders, in the database's `user_version`.

Whoever changes the layout raises it, and turns the older one into it in `_migrate`. Layouts below 2 come from engines
that were never released; `_migrate` refuses them.
"""
_TABLES = """
CREATE TABLE IF NOT EXISTS resources (
    arn TEXT PRIMARY KEY, kind TEXT NOT NULL, number INTEGER NOT NULL, body TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY AUTOINCREMENT, dataset TEXT NOT NULL, event_id TEXT NOT NULL, body TEXT NOT NULL,
    UNIQUE (dataset, event_id)
);
CREATE INDEX IF NOT EXISTS events_by_dataset ON events (dataset, number);
CREATE TABLE IF NOT EXISTS records (
    number INTEGER PRIMARY KEY AUTOINCREMENT, dataset TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,
    UNIQUE (dataset, id)
);
CREATE INDEX IF NOT EXISTS records_by_dataset ON records (dataset, number);
"""
_LAST_EVENT: Final = "SELECT MAX(number) FROM events WHERE dataset = ?"
_LAST_RECORD: Final = "SELECT MAX(number) FROM records WHERE dataset = ?"
_LOG_PAGES: Final = 10_000
"""Pages of the log (40 MB) after which a commit copies it into the database; streams copy it themselves before."""
StoredResource = tuple[str, str, int, dict[str, Any]]
"""ARN, kind, number in the order of creation, body."""


class DirectoryRefused(Exception):
    """The data directory cannot be used; the text says why, and what helps."""


class DirectoryInUse(DirectoryRefused):
    """Another engine owns the data directory."""


class Streamed:
    """Streamed records by dataset, in the order of arrival, each with its number."""

    _connection: sqlite3.Connection

    def events(self, dataset: str, after: int = 0) -> Iterator[tuple[int, StreamedEvent]]:
        return ((number, event_from_json(body)) for number, body in self._rows("events", dataset, after))

    def records(self, dataset: str, after: int = 0) -> Iterator[tuple[int, PutRecord]]:
        return ((number, PutRecord(**json.loads(body))) for number, body in self._rows("records", dataset, after))

    def counted(self, dataset: str, table: str = "events", after: int = 0) -> tuple[int, int]:
        """Return how many events (or `records`) a dataset has after a number, and the number of the newest."""
        query = f"SELECT COUNT(*), MAX(number) FROM {table} WHERE dataset = ? AND number > ?"  # noqa: S608 — one of two
        count, newest = self._connection.execute(query, (dataset, after)).fetchone()
        return count, newest or after

    def newest_event(self, dataset: str) -> StreamedEvent | None:
        query = "SELECT body FROM events WHERE dataset = ? ORDER BY number DESC LIMIT 1"
        row = self._connection.execute(query, (dataset,)).fetchone()
        return event_from_json(row[0]) if row else None

    def _rows(self, table: str, dataset: str, after: int) -> Iterator[tuple[int, str]]:
        query = f"SELECT number, body FROM {table} WHERE dataset = ? AND number > ? ORDER BY number"  # noqa: S608
        with closing(self._connection.execute(query, (dataset, after))) as rows:
            yield from rows


class Reader(Streamed):
    """Streamed records for another thread or process."""

    def __init__(self, database: Path) -> None:
        self._connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


class Store(Streamed):
    """Everything that outlives the process. Its methods belong to one thread at a time; others use a `Reader`."""

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        """Open the data folder, or make it. Raises DirectoryRefused.

        `durable`: a write is on disk when its method returns; otherwise when the system likes.
        """
        self.directory = directory
        self.database = directory / "engine.sqlite"
        with ExitStack() as held:
            try:
                directory.mkdir(parents=True, exist_ok=True)
                self._lock = held.enter_context(_lock(directory / "engine.lock"))
                self._connection, self._streaming = (
                    held.enter_context(closing(sqlite3.connect(self.database, check_same_thread=False)))
                    for _ in range(2)
                )
                for connection in (self._connection, self._streaming):
                    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
                    connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
                _migrate(self._connection, directory)
                self._connection.execute("PRAGMA journal_mode = WAL")
            except (OSError, sqlite3.Error) as error:
                reason = of_disk(error) or f"{error}: repair it, or give another --data-dir."
                raise DirectoryRefused(f"{directory} cannot be used: {reason}") from error
            held.pop_all()
        self._folds_case = self.database.with_name(self.database.name.upper()).exists()
        """Whether the file system takes names for equal that differ by case only, as macOS's does; ARNs differ."""
        self._turn = threading.Lock()
        """Held while one of the two connections writes: waiting for it is shorter than SQLite's waiting."""
        self._group_commit = GroupCommit(lambda: self._writing(self._streaming), self._checkpoint)

    def close(self) -> None:
        self._group_commit.close()
        self._streaming.close()
        self._connection.close()
        self._lock.close()

    @contextmanager
    def _writing(self, given: sqlite3.Connection | None = None) -> Iterator[sqlite3.Connection]:
        """Write, all or nothing. Raises StorageFailed."""
        try:
            with self._turn, given or self._connection as connection:
                yield connection
        except sqlite3.OperationalError as error:
            if reason := of_disk(error):
                raise StorageFailed(reason) from error
            raise

    def _checkpoint(self) -> None:
        with suppress(sqlite3.Error):  # a full disk, say: the log grows until there is room
            self._streaming.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def folder(self, arn: str) -> Path:
        """Return the folder of a resource: for imported rows, a trained model, or a dataset group's live data."""
        _, _, _, region, account, resource = arn.split(":", 5)
        if self._folds_case:
            resource = re.sub("[A-Z]", lambda capital: f"={capital[0].lower()}", resource)
        return self.directory.joinpath("files", region, account, *resource.split("/"))

    def resources(self) -> list[StoredResource]:
        rows = self._connection.execute("SELECT arn, kind, number, body FROM resources ORDER BY number")
        return [(arn, kind, number, json.loads(body)) for arn, kind, number, body in rows]

    def body(self, arn: str) -> dict[str, Any]:
        """Return the body of a resource, as it was written last."""
        (body,) = self._connection.execute("SELECT body FROM resources WHERE arn = ?", (arn,)).fetchone()
        document: dict[str, Any] = json.loads(body)
        return document

    def save(self, resources: Iterable[StoredResource]) -> None:
        """Write resources, all or none. Raises StorageFailed, as every write does."""
        rows = [(arn, kind, number, json.dumps(body)) for arn, kind, number, body in resources]
        with self._writing() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO resources (arn, kind, number, body) VALUES (?, ?, ?, ?)", rows
            )

    def remove(self, arns: Iterable[str]) -> None:
        """Delete resources and their streamed records, all or none."""
        keys = [(arn,) for arn in arns]
        self._group_commit.flush()
        with self._writing() as connection:
            connection.executemany("DELETE FROM events WHERE dataset = ?", keys)
            connection.executemany("DELETE FROM records WHERE dataset = ?", keys)
            connection.executemany("DELETE FROM resources WHERE arn = ?", keys)

    async def add_events(self, dataset: str, events: Iterable[StreamedEvent]) -> int:
        """Append events, all or none; skips events whose id the dataset already has.

        Returns the number of the dataset's newest event.
        """
        rows = ((dataset, event.event_id, to_json(event)) for event in events)
        insert = "INSERT OR IGNORE INTO events (dataset, event_id, body) VALUES (?, ?, ?)"
        return await self._group_commit.write(insert, rows, (_LAST_EVENT, (dataset,)))

    async def put_records(self, dataset: str, records: Iterable[PutRecord]) -> None:
        """Write users or items, all or none; a record replaces the earlier one of its id."""
        rows = ((dataset, record.id, to_json(record)) for record in records)
        replace_row = "INSERT OR REPLACE INTO records (dataset, id, body) VALUES (?, ?, ?)"
        await self._group_commit.write(replace_row, rows, (_LAST_RECORD, (dataset,)))

    def remove_users(self, datasets: Mapping[str, Sequence[int]], users: Collection[str]) -> int:
        """Delete what was streamed about some users and their sessions; returns the number of records.

        `datasets`: by ARN, the numbers of the last event and of the last record to delete.
        """
        gone: list[tuple[str, int]] = []
        for dataset, (last_event, last_record) in datasets.items():
            events = [numbered for numbered in self.events(dataset) if numbered[0] <= last_event]
            records = [numbered for numbered in self.records(dataset) if numbered[0] <= last_record]
            sessions = {event.session_id for _, event in events if event.user_id in users}
            of_users = (
                e for e in events if e[1].user_id in users or (not e[1].user_id and e[1].session_id in sessions)
            )
            gone += [("events", number) for number, _ in of_users]
            gone += [("records", number) for number, record in records if record.id in users]
        with self._writing() as connection:
            for table, number in gone:
                connection.execute(f"DELETE FROM {table} WHERE number = ?", (number,))  # noqa: S608 — one of two names
        return len(gone)

    def last_event(self, dataset: str) -> int:
        """Return the number of a dataset's newest event; 0 without any."""
        (number,) = self._connection.execute(_LAST_EVENT, (dataset,)).fetchone()
        return number or 0

    def last_streamed(self, dataset: str) -> tuple[int, int]:
        """Return the numbers of a dataset's newest event and newest record; 0 without any."""
        (number,) = self._connection.execute(_LAST_RECORD, (dataset,)).fetchone()
        return self.last_event(dataset), number or 0


def with_streamed(spec: SnapshotSpec, database: Path, datasets: Mapping[str, str]) -> tuple[SnapshotSpec, int]:
    """Return a spec with what was streamed to datasets (ARNs by type), and the number of the newest event."""
    with Reader(database) as reader:
        events = list(reader.events(datasets.get("INTERACTIONS", "")))
        users, items = ([row for _, row in reader.records(datasets.get(kind, ""))] for kind in ("USERS", "ITEMS"))
    events_alone = [event for _, event in events]
    newest = events[-1][0] if events else 0
    return replace(spec, events=events_alone, put_users=users, put_items=items), newest


def _migrate(connection: sqlite3.Connection, directory: Path) -> None:
    """Give a new database this layout, all or nothing. Raises DirectoryRefused for a database of another layout."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    if version > LAYOUT:
        raise DirectoryRefused(
            f"{directory} was written by a newer Personalize Local (layout {version}; this one knows {LAYOUT}). "
            f"Upgrade with `pip install --upgrade personalize-local`, or give another --data-dir."
        )
    if tables and version < LAYOUT:
        raise DirectoryRefused(
            f"{directory} was written by Personalize Local before 0.1.0 (layout {version}; this one knows {LAYOUT}). "
            f"It stays as it is: give another --data-dir, import the data there and train again."
        )
    if version < LAYOUT:
        connection.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {LAYOUT}; COMMIT;")


def _lock(path: Path) -> IO[bytes]:
    """Take the directory's lock until the process ends, however it ends. Raises DirectoryInUse."""
    file = path.open("ab+", buffering=0)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        owner = file.read().decode().strip() or "unknown"
        file.close()
        raise DirectoryInUse(
            f"{path.parent} belongs to a running engine (process {owner}): stop it first, or give another --data-dir."
        ) from None
    with suppress(OSError):  # on a full disk the lock holds without its owner's number
        file.truncate(0)
        file.write(str(os.getpid()).encode())
    return file
