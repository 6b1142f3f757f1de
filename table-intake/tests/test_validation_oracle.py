# SPDX-License-Identifier: Apache-2.0
"""The validator against a plain oracle of the csv module, on random dirty files: not one difference."""

import csv
import io
import random
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from table_intake import Checked, Expected, TableSettings, check_table
from table_intake.check.findings import Spread
from table_intake.read.rows import Table

from benchmarks.csv_oracle import Outcome, dirty, outcome_of

NOW = 1_800_000_000
FILES, BATCHES = 30, 18
CELLS: dict[str, tuple[str, ...]] = {
    "USER_ID": ("u1", "u2", "u3", "", "ü" * 100, "é" * 129, "x" * 256, "x" * 257, " u1", "\ufeffu", "#u", "u\\",
        "u\v1", "u\u2028", "u\n2"),
    "ITEM_ID": ("i1", "i2", "i3", "i1", "i2", "", "日本", "y" * 300, "a b", "'", "NULL", "i\x85", "i\r\n"),
    "TIMESTAMP": (
        "1700000000", "1700000001", "1699999999", "999999999", "0", "631151999", "631152000", "1800086400",
        "1800086401", "1700000000000", "17000000000", "9" * 18, "9" * 19, "9" * 40, "-5", "+1700000000", "1.7e9",
        "soon", "", " 1700000000", "001700000000", "2023-11-14", "2023-02-29", "2024-02-29", "2023-11-14T22:13:20Z",
        "2023-11-14 22:13", "2023-11-14T22:13:20.123456+05:30", "2023-11-14T22:13:60", "2023-11-14 22:13:20 -0300",
        "1969-12-31", "2999-01-01", "14.11.2023", "3/4/2023", "03-04-23 10:00", "31-12-23", "1.2/2023",
        "32.13.2023", "11.14.2023x", "2023-11-14t01:02:03z", "\u0661700000000", "2023-1-1", "0000-01-01",
    ),
    "EVENT_TYPE": ("View", "Purchase", "", "e" * 1000, "e" * 1001, "ö" * 1000),
    "EVENT_VALUE": ("1", "2.5", "", "-.5e3", "1.", "nan", "inf", "1e400", "1_0", " 1", "0x1", "1e-400", "+", "."),
    "IMPRESSION": ("i1|i2", "", "i1\ni2", "\u2029" + "z" * 999, "z" * 1001),
    "NOTE": ("", "plain", "a,b", 'say "hi"', "two\nlines", "two\r\nlines", "tab\t", "ends\\", "1,2,3,4,5", "Ω",
        "a\vb\fc", "next\x85line", "\u2028\u2029", "\r\r\n\n"),
}  # fmt: skip
"""What cells are made of; the first ones are good."""
TIMES = (
    "2023-11-14 22:13:20+00", "2023-11-14 22:13:20.5-05", "2023-11-14 22:13:20 UTC", "2023-11-14T22:13:20GMT",
    "2023-11-14T22:13:20-0530", "2023-11-14 22:13+5", "2023-11-14+00", "2023-11-14 22:13:20 utc", "1700000000.0",
    "1700000000.", "1700000000.25", "1700000000000.0", "1700000000.5.0", "1700000000.0123456789", ".5", "0.0",
)  # fmt: skip


def written(rng: random.Random, cell: str) -> str:
    if any(mark in cell for mark in ',"\n\r') or rng.random() < 0.1:
        return '"' + cell.replace('"', rng.choice(['""', '""', '\\"'])) + '"'
    return cell


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def damaged(rng: random.Random, line: bytes) -> bytes:
    index = rng.randrange(len(line) + 1)
    kind = rng.randrange(9)
    if kind == 0:
        return line + b",more"
    if kind == 1:
        return line.rpartition(b",")[0]
    return line[:index] + (b"\xff", b"\0", b'"', b"\r", b"\n", b",", b'x"')[kind - 2] + line[index:]


def dirty_file(rng: random.Random) -> bytes:
    names = ["USER_ID", "ITEM_ID", "TIMESTAMP", *rng.sample(["EVENT_TYPE", "EVENT_VALUE", "IMPRESSION", "NOTE"], 3)]
    rng.shuffle(names)
    badness, quotes = rng.choice([0, 0.02, 0.3]), rng.choice([0, 0.2])
    end = rng.choice([b"\n", b"\r\n"])
    lines = [",".join(rng.choice([name, name.lower()]) for name in names).encode()]
    for _ in range(rng.randrange(80)):
        dirty = rng.random() < badness
        cells = [rng.choice(CELLS[name] if dirty else CELLS[name][:2]) for name in names]
        if quotes and rng.random() < quotes:
            line = ",".join(written(rng, cell) for cell in cells).encode()
        else:
            line = ",".join(quoted(cell) if set(cell) & set('",\r\n') else cell for cell in cells).encode()
        lines.append(damaged(rng, line) if rng.random() < badness / 4 else line)
        if rng.random() < 0.02:
            lines.append(b"")
    data = end.join(lines) + rng.choice([b"", end, end * 2])
    return rng.choice([b"", b"\xef\xbb\xbf"]) + data


def ours(data: bytes, rng: random.Random) -> tuple[Checked, list[tuple[str, ...]]]:
    parts: list[bytes | memoryview] = []
    size = rng.choice([100, 1000, 4000, 1 << 20])
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    expected = Expected("drop.csv", "interactions", "FULL", TableSettings(), now=NOW)
    with tempfile.TemporaryDirectory() as scratch:
        copied = check_table(Table("drop.csv", chunks, size), expected, parts.append, Path(scratch))
    lines = b"".join(parts).decode().split("\n")[:-1]
    return copied, [tuple(row) for row in csv.reader(lines, doublequote=False, escapechar="\\", strict=True)][1:]


def spread(ids: Counter[str]) -> Spread:
    top = tuple(sorted(ids.items(), key=lambda item: (-item[1], item[0]))[:10])
    return Spread(len(ids), ids.total(), dict(Counter(ids.values())), top)


def differences(copied: Checked, clean: list[tuple[str, ...]], oracle: Outcome) -> list[str]:
    findings = copied.findings
    refused = [(int(line), why) for line, why, _ in list(csv.reader(io.StringIO(copied.rejects.file().decode())))[1:]]
    users = spread(oracle.users)
    pairs = {
        "rows": (findings.rows, oracle.rows),
        "accepted": (findings.accepted, oracle.accepted),
        "refused by us alone": (sorted(set(refused) - set(oracle.refused)), []),
        "refused by the oracle alone": ([], sorted(set(oracle.refused) - set(refused))),
        "counted": (sum(reason.rows for reason in findings.reasons), len(oracle.refused)),
        "duplicates": (findings.duplicates, oracle.duplicates),
        "users": (findings.users, Spread(users.ids, users.rows, users.by_count)),
        "items": (findings.items, spread(oracle.items)),
        "types": (findings.event_types, dict(oracle.types)),
        "days": (findings.per_day, dict(sorted(oracle.days.items()))),
        "span": ((findings.first, findings.last), (oracle.first, oracle.last)),
        "copy": (clean, oracle.clean),
    }
    return [
        f"{what}: ours {ours} and the oracle's {expected}"
        for what, (ours, expected) in pairs.items()
        if ours != expected
    ]


def test_every_way_to_write_a_time_is_the_oracles() -> None:
    rows = [f"u{number},i{number},{cell}" for number, cell in enumerate((*CELLS["TIMESTAMP"], *TIMES))]
    data = "\n".join(["USER_ID,ITEM_ID,TIMESTAMP", *rows]).encode()
    copied, clean = ours(data, random.Random(1))  # noqa: S311 - not for secrets
    assert not differences(copied, clean, outcome_of(dirty(data), NOW))


def test_the_mark_of_a_files_beginning_stays_where_a_piece_begins_with_it() -> None:
    good = "".join(f'u1,i{number},1700000000,"a,b"\n' for number in range(4))
    data = f"USER_ID,ITEM_ID,TIMESTAMP,NOTE\n{good}".encode() + f"\ufeffu,i1,1700000000,x\n{good}".encode() * 99
    copied, clean = ours(data, random.Random(1))  # noqa: S311 - not for secrets
    assert not differences(copied, clean, outcome_of(dirty(data), NOW))


def long_file(rng: random.Random) -> bytes:
    """Rows of thousands of characters, some with a quote that is never closed: values beyond what csv reads."""
    letter = rng.choice(["x", "é", "漢"])
    rows = [f"u{n % 7},i{n % 5},{1_700_000_000 + n},{letter * rng.choice([10, 3000])}".encode() for n in range(150)]
    for _ in range(rng.randrange(1, 6)):
        index = rng.randrange(len(rows))
        row = rows[index]
        rows[index] = rng.choice(
            [row.replace(b",i", b',"i'), row + b'"', row + b'",x', b"\xff" + row, b"\0" + row, b'"' + row]
        )
    return b"\n".join([b"USER_ID,ITEM_ID,TIMESTAMP,NOTE", *rows, b""])


@pytest.mark.parametrize("seed", range(8))
def test_a_quote_that_is_never_closed_among_long_rows_is_the_oracles(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - not for secrets
    data = long_file(rng)
    copied, clean = ours(data, rng)
    assert not differences(copied, clean, outcome_of(dirty(data), NOW))


@pytest.mark.parametrize("batch", [0, *(pytest.param(batch, marks=pytest.mark.nightly) for batch in range(1, BATCHES))])
def test_every_count_line_and_reason_is_the_oracles(batch: int) -> None:
    for seed in range(batch * FILES, (batch + 1) * FILES):
        rng = random.Random(seed)  # noqa: S311 - not for secrets
        data = dirty_file(rng)
        copied, clean = ours(data, rng)
        told = differences(copied, clean, outcome_of(dirty(data), NOW))
        assert not told, f"seed {seed}: {told[0]}"
