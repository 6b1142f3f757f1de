# SPDX-License-Identifier: Apache-2.0
"""The files of a check in ranges.

Each is written once it is whole, so a step that is repeated finds what it wrote before.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from table_intake.check import state
from table_intake.check.findings import Expected
from table_intake.check.state import State
from table_intake.columns.schema import Column, Schema
from table_intake.errors import Incomplete
from table_intake.ranges.cutting import Outcome, Task
from table_intake.ranges.ranges import FileForm
from table_intake.ranges.storage import Storage
from table_intake.read.parts import SourcePart
from table_intake.settings.tables import TableSettings
from table_intake.streamed import Group
from table_intake.wording import codes, counted, restored
from table_intake.write.lines import Lines

_PARALLEL = 16


@dataclass(frozen=True, slots=True)
class Context:
    """What all steps of a check must know, as it was when the check began."""

    expected: Expected
    parts: Sequence[SourcePart]
    """The files of the drop, without empty ones."""
    columns: Sequence[str]
    """The names of the columns in a manifest: then files may lack a header."""
    forms: Mapping[int, FileForm]
    """How the files are written that are read in ranges, by number."""
    partitions: int
    """Partitions of the hashes."""
    copies: str
    """The beginning of the keys of import copies."""

    @property
    def bytes_of_text(self) -> int | None:
        """Bytes of all rows; None where some are in other formats or packed."""
        return sum(part.size for part in self.parts) if len(self.forms) == len(self.parts) else None

    def document(self) -> dict[str, Any]:
        expected, existing = self.expected, self.expected.existing
        return {
            "expected": {
                "resource": expected.resource,
                "kind": expected.kind,
                "mode": expected.mode,
                "settings": expected.settings.model_dump(mode="json", include=set(TableSettings.model_fields)),
                "existing": existing
                and {"kind": existing.kind, "columns": [asdict(column) for column in existing.columns]},
                "now": expected.now,
                "group": expected.group and asdict(expected.group),
                "known_by": {**expected.known_by},
                "item_names": [*expected.item_names],
            },
            "parts": [asdict(part) for part in self.parts],
            "columns": self.columns,
            "forms": {str(number): asdict(form) for number, form in self.forms.items()},
            "partitions": self.partitions,
            "copies": self.copies,
        }


def read_context(document: Mapping[str, Any]) -> Context:
    given = document["expected"]
    existing, group = given["existing"], given["group"]
    expected = Expected(
        given["resource"],
        given["kind"],
        given["mode"],
        settings=TableSettings.model_validate(given["settings"]),
        existing=existing and Schema(existing["kind"], tuple(Column(**column) for column in existing["columns"])),
        now=given["now"],
        group=group and Group(**group),
        known_by=given["known_by"],
        item_names=tuple(given.get("item_names", ())),
    )
    return Context(
        expected,
        [SourcePart(**part) for part in document["parts"]],
        document["columns"],
        forms={int(number): FileForm(**form) for number, form in document["forms"].items()},
        partitions=document["partitions"],
        copies=document["copies"],
    )


@dataclass(frozen=True, slots=True)
class Result:
    """What the check of a range left, besides its state and its hashes."""

    outcome: Outcome
    lines: int = 0
    """Lines that begin in the range."""
    copy: str = ""
    """The key of the import copy; empty where no row is good."""
    size: int = 0
    """Bytes of the copy."""
    rows: int = 0
    """Good rows."""
    notes: Sequence[str] = ()
    """What was guessed about the file."""
    places: Sequence[Sequence[int]] = ()
    """The begin and the size of each partition in the file of hashes."""
    lines_of_items: Sequence[Sequence[int]] = ()
    """The begin and the size of each partition in the file of lines for the table of items."""
    types: Mapping[str, str] = field(default_factory=dict)
    """The kinds of values of columns, where the format has types."""
    item_columns: Sequence[str] = ()
    """The columns of these lines."""


class Work:
    """The files of one check."""

    def __init__(self, storage: Storage, folder: str) -> None:
        self._storage = storage
        self.folder = folder

    def begin(self, context: Context, tasks: Sequence[Task]) -> None:
        """Store what the steps need; first the list of tasks, then the context, which makes it complete."""
        self.put_tasks(0, tasks, tasks)
        self._put_json(f"{self.folder}context.json", context.document())

    def context(self) -> Context | None:
        document = self._get_json(f"{self.folder}context.json")
        return None if document is None else read_context(document)

    def put_end(self, number: int, refused: str = "") -> None:
        """Store the number of the last round, and why the drop is refused if the ranges do not fit."""
        self._put_json(f"{self.folder}end.json", {"round": number, "refused": refused})

    def end(self) -> tuple[int, str] | None:
        """Return the number of the last round, and why the drop is refused if so; None while the check goes on."""
        document = self._get_json(f"{self.folder}end.json")
        return None if document is None else (document["round"], document["refused"])

    def put_tasks(self, number: int, tasks: Sequence[Task], checked: Sequence[Task]) -> None:
        """Store the tasks of a round, of which some are checked: the items of its Distributed Map."""
        self._put_json(f"{self.folder}tasks-{number}.json", [asdict(task) for task in tasks])
        items = [task.number for task in checked]
        self._put_json(f"{self.folder}items-{number}.json", items)

    def tasks(self, number: int) -> list[Task]:
        """Return all tasks as of a round."""
        document = self._get_json(f"{self.folder}tasks-{number}.json")
        if document is None:
            raise Incomplete(self.folder, f"there are no tasks of round {number}: the check did not begin")
        return [Task(**task) for task in document]

    def result(self, task: Task) -> Result | None:
        """Return what the check of a range left; None before it is done."""
        document = self._get_json(self.result_key(task))
        if document is None:
            return None
        return Result(**{**document, "outcome": Outcome(**document["outcome"])})

    def results(self, tasks: Sequence[Task]) -> list[Result]:
        """Return the results of all ranges.

        Raises:
            Incomplete: one is missing.
        """
        with ThreadPoolExecutor(_PARALLEL, "results") as pool:
            results = list(pool.map(self.result, tasks))
        missing = [task.number for task, result in zip(tasks, results, strict=True) if result is None]
        if missing:
            raise Incomplete(
                self.folder,
                f"{counted(len(missing), 'range has', 'ranges have')} no result, among them number {missing[0]}",
            )
        return [result for result in results if result is not None]

    def put_result(self, task: Task, result: Result) -> None:
        """Store the result of a range, after everything that it names."""
        self._put_json(self.result_key(task), asdict(result))

    def result_key(self, task: Task) -> str:
        return f"{self._name(task)}.json"

    def put_state(self, task: Task, partial_state: State) -> None:
        self._storage.put(f"{self._name(task)}.state", state.pack(partial_state))

    def state(self, task: Task) -> State:
        return self._unpacked(f"{self._name(task)}.state")

    def put_hashes(self, task: Task, partitions: Iterator[Mapping[str, pl.DataFrame]]) -> list[list[int]]:
        """Store the partitions of a range's hashes in one file; return their begins and sizes."""
        packed = (state.pack(State({}, frames)) if frames else b"" for frames in partitions)
        return self._put_all(f"{self._name(task)}.hashes", packed)

    def store_items(self, task: Task, items: Lines) -> list[list[int]]:
        """Store the lines of items in one file; return the begins and sizes of its partitions."""
        texts = (b"".join(line + b"\n" for line in lines) for _, lines in items.partitions())
        return self._put_all(f"{self._name(task)}.items", texts)

    def items(self, task: Task, result: Result, partition: int) -> bytes:
        """Return a partition of the lines of items of a range."""
        begin, size = result.lines_of_items[partition]
        return self._slice(f"{self._name(task)}.items", begin, size) if size else b""

    def hashes(self, tasks: Sequence[Task], results: Sequence[Result], partition: int) -> Iterator[State]:
        """Yield a partition of the hashes of each range that has some."""
        wanted = [
            (f"{self._name(task)}.hashes", *result.places[partition])
            for task, result in zip(tasks, results, strict=True)
            if result.places and result.places[partition][1]
        ]
        with ThreadPoolExecutor(_PARALLEL, "hashes") as pool:
            for begin in range(0, len(wanted), _PARALLEL):
                yield from pool.map(
                    lambda slice_: state.unpack(self._slice(*slice_)), wanted[begin : begin + _PARALLEL]
                )

    def _put_all(self, key: str, parts: Iterable[bytes]) -> list[list[int]]:
        """Store parts in one file; return their begins and sizes."""
        places, at = [], 0
        upload = self._storage.upload(key)
        try:
            for data in parts:
                upload.write(data)
                places.append([at, len(data)])
                at += len(data)
            upload.finish()
        except BaseException:
            upload.abort()
            raise
        return places

    def put_count(self, partition: int, count: State) -> None:
        self._storage.put(self.count_key(partition), state.pack(count))

    def count(self, partition: int) -> State | None:
        data = self._storage.get(self.count_key(partition))
        return None if data is None else state.unpack(data)

    def count_key(self, partition: int) -> str:
        return f"{self.folder}count-{partition:03d}.state"

    def _name(self, task: Task) -> str:
        return f"{self.folder}range-{task.name}"

    def _unpacked(self, key: str) -> State:
        data = self._storage.get(key)
        if data is None:
            raise Incomplete(key, "a file of the check is missing")
        return state.unpack(data)

    def _slice(self, key: str, begin: int, size: int) -> bytes:
        return self._storage.read(key, begin, size)

    def _put_json(self, key: str, document: object) -> None:
        if isinstance(document, Mapping) and (texts := codes(document)):
            document = {**document, "texts": texts}
        self._storage.put(key, json.dumps(document, ensure_ascii=False, indent=1).encode())

    def _get_json(self, key: str) -> Any:  # noqa: ANN401 - any document
        data = self._storage.get(key)
        document = None if data is None else json.loads(data)
        texts = document.pop("texts", None) if isinstance(document, dict) else None
        return restored(document, texts) if texts else document
