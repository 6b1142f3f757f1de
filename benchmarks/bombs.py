# SPDX-License-Identifier: Apache-2.0
"""Files of any format that are made to end whoever opens them: `python -m benchmarks.hostile --files` opens all."""

import gzip
import io
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from personalization.batch import users
from personalization.core.aws import objects
from personalization.core.bounded.parent import Child, Ended, Limits
from personalization.core.errors import Rejected
from personalization.shop.settings.settings import ShopSettings
from table_intake import Expected, FileSettings, Refused, check_table, open_table, problems
from table_intake.read import archives

from benchmarks import validation
from local.cloud.environments import REPOSITORY

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_HEADER = b"".join(
    b'<c r="%c1" t="inlineStr"><is><t>%s</t></is></c>' % (65 + position, name)
    for position, name in enumerate((b"USER_ID", b"ITEM_ID", b"TIMESTAMP"))
)
FAR = b"<c r='XFD1048576'><v>1</v></c>"
"""A cell in the last place that a sheet has, as XML may write it."""


def workbook(row: bytes, strings: bytes = b"", more: Mapping[str, bytes] | None = None) -> bytes:
    """Return a workbook with a header and one more row.

    Args:
        row: the row's XML.
        strings: the XML of texts that cells share.
        more: further members of the archive.
    """
    members: dict[str, str | bytes] = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="xml" '
        'ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets><sheet name="S" sheetId="1" '
        'r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" '
        f'Type="{_OFFICE}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": b'<worksheet xmlns="%s" xmlns:x="%s"><sheetData><row r="1">%s</row>%s</sheetData>'
        b"</worksheet>" % (_MAIN.encode(), _MAIN.encode(), _HEADER, row),
        **({"xl/sharedStrings.xml": b'<sst xmlns="%s">%s</sst>' % (_MAIN.encode(), strings)} if strings else {}),
        **(more or {}),
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def _far(cell: bytes) -> bytes:
    return workbook(b'<row r="2">' + cell + b"</row>")


def _laughs() -> bytes:
    """Return a workbook of entities, each of which is ten of the one before."""
    entities = b'<!ENTITY a0 "ha">' + b"".join(
        b'<!ENTITY a%d "%s">' % (number, b"&a%d;" % (number - 1) * 10) for number in range(1, 10)
    )
    sheet = b'<!DOCTYPE worksheet [%s]><worksheet xmlns="%s"><sheetData><row r="1">%s</row></sheetData></worksheet>'
    cells = _HEADER.replace(b"USER_ID", b"&a9;")
    return workbook(b"", more={"xl/worksheets/sheet1.xml": sheet % (entities, _MAIN.encode(), cells)})


def _decoy() -> bytes:
    """Return a workbook whose list of sheets has a small one in a comment, before the one that counts."""
    book = f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets><!-- <sheet name="S" sheetId="1" r:id="rId2"/> -->'
    book += '<sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>'
    return workbook(
        b'<row r="2"><c r="XFD1048576"><v>1</v></c></row>', b"<si><t>a</t></si>", {"xl/workbook.xml": book.encode()}
    )


def _shared(text: bytes, cells: int, value: bytes = b"<v>0</v>") -> bytes:
    """Return a workbook in which so many cells have one text."""
    row = b'<row><c t="s">%s</c></row>' % value
    return workbook(row * cells, b"<si><t>%s</t></si>" % text)


def _parquet(rows: int, text: str, *, is_category: bool = False) -> bytes:
    """Return a Parquet file of equal rows in one row group, where a text stands once in a dictionary.

    Args:
        rows: how many.
        text: the value of a column.
        is_category: whether the file says that this column was a dictionary in memory as well.
    """
    import pyarrow as pa  # noqa: PLC0415 - the benchmarks of other files do without
    from pyarrow import parquet  # noqa: PLC0415

    places = pa.repeat(pa.scalar(0, pa.int8()), rows)
    values = {"USER_ID": [text], "ITEM_ID": ["i1"], "TIMESTAMP": [1_700_000_000]}
    table = pa.table(
        {name: pa.DictionaryArray.from_arrays(places, pa.array(dictionary)) for name, dictionary in values.items()}
    )
    file = io.BytesIO()
    parquet.write_table(table, file, compression="zstd", row_group_size=rows, store_schema=is_category)
    return file.getvalue()


def _row_group() -> bytes:
    """Return a Parquet file whose only row group has 2 GB, unpacked."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    rows, file = 20_000_000, io.BytesIO()
    table = pa.table({"USER_ID": pa.repeat(pa.scalar("x" * 96), rows), "ITEM_ID": pa.repeat(pa.scalar("i"), rows),
                      "TIMESTAMP": pa.repeat(pa.scalar(1_700_000_000), rows)})  # fmt: skip
    parquet.write_table(table, file, compression="zstd", row_group_size=rows, use_dictionary=False)
    return file.getvalue()


def _nested(objects: int, text: str, depth: int = 0) -> bytes:
    """Return a Parquet file of one row with a text and so many objects, each so deep."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    values: pa.Array = pa.repeat(pa.scalar("i1"), objects)
    for _ in range(depth):
        values = pa.StructArray.from_arrays([values], ["a"])
    items = pa.StructArray.from_arrays([values], ["ITEM_ID"])
    file = io.BytesIO()
    table = pa.table({"USER_ID": [text], "TIMESTAMP": [1_700_000_000],
                      "items": pa.ListArray.from_arrays([0, objects], items)})  # fmt: skip
    parquet.write_table(table, file, compression="zstd")
    return file.getvalue()


def _json(text: str, objects: int) -> bytes:
    """Return an object on one line, whose text stands beside so many objects."""
    items = ",".join(["{}"] * objects)
    return b'{"USER_ID":"%s","ITEM_ID":"i","TIMESTAMP":1,"items":[%s]}\n' % (text.encode(), items.encode())


_ROWS = b"USER_ID,ITEM_ID,TIMESTAMP\n" + b"".join(
    b"u%d,i%d,%d\n" % (number % 60, number % 70, 1_700_000_000 + number) for number in range(1_200)
)
FILES: Mapping[str, tuple[str, Callable[[], bytes]]] = {
    "far cell, single quotes": ("a.xlsx", lambda: _far(FAR)),
    "far cell, prefix": (
        "a.xlsx",
        lambda: workbook(b'<x:row r="2"><x:c r="XFD1048576"><x:v>1</x:v></x:c></x:row>'),
    ),
    "far cell, space": ("a.xlsx", lambda: _far(b'<c r ="XFD1048576"><v>1</v></c>')),
    "far cell, line break": ("a.xlsx", lambda: _far(b'<c\nr="XFD1048576"><v>1</v></c>')),
    "far cell, decoy in a comment": ("a.xlsx", _decoy),
    "entities": ("a.xlsx", _laughs),
    "many far cells": (
        "a.xlsx",
        lambda: workbook(
            b"".join(b"<row r='%d'><c r='ZZ%d'><v>1</v></c></row>" % (row, row) for row in range(2, 200_000))
        ),
    ),
    "spaces": ("a.xlsx", lambda: workbook(b" " * 900_000_000)),
    "a long shared text": ("a.xlsx", lambda: _shared(b"x" * 190_000_000, 1)),
    "a shared text in many cells": ("a.xlsx", lambda: _shared(b"x" * 1_000_000, 5_000)),
    "a shared text, space in the tag": ("a.xlsx", lambda: _shared(b"x" * 1_000_000, 5_000, b"<v >0</v>")),
    "a shared text in CDATA": ("a.xlsx", lambda: _shared(b"<![CDATA[%s]]>" % (b"x" * 1_000_000), 5_000)),
    "many shared texts": ("a.xlsx", lambda: workbook(b"", b"<si><t/></si>" * 60_000_000)),
    "comma lines": ("a.csv.gz", lambda: gzip.compress(_ROWS + (b"," * 7_000_000 + b"\n") * 4)),
    "a dictionary of one long text": ("a.parquet", lambda: _parquet(1_000_000, "x" * 1_000_000)),
    "a category of one long text": ("a.parquet", lambda: _parquet(1_000_000, "x" * 1_000_000, is_category=True)),
    "a dictionary of one short text": ("a.parquet", lambda: _parquet(60_000_000, "x" * 30)),
    "equal rows": ("a.parquet", lambda: _parquet(100_000_000, "u1")),
    "a row group of 2 GB": ("a.parquet", _row_group),
    "a long text beside many objects": ("a.json", lambda: _json("x" * 120_000, 2_500_000)),
    "many objects beside a long text": ("a.parquet", lambda: _nested(90_000, "x" * 120_000)),
    "a row of 30 million objects": ("a.parquet", lambda: _nested(30_000_000, "u")),
    "a row of 90 million objects": ("a.parquet", lambda: _nested(90_000_000, "u")),
    "columns 500 deep": ("a.parquet", lambda: _nested(1, "u", 500)),
    "objects without an end": ("a.json.gz", lambda: gzip.compress(b'{"a":' * 300_000_000, 1)),
    "an array of arrays without an end": ("a.json.gz", lambda: gzip.compress(b"[" * 1_000_000_000, 1)),
    "an array of empty objects": (
        "a.json.gz",
        lambda: gzip.compress(b'[{"USER_ID":1,"ITEM_ID":1,"TIMESTAMP":1}' + b",{}" * 300_000_000, 1),
    ),
    "lines of many keys": (
        "a.json.gz",
        lambda: gzip.compress(b"{%s}\n" % b",".join(b'"%d":0' % number for number in range(800_000)), 1),
    ),
    "a list without a line end": ("list.txt.gz", lambda: gzip.compress(b"x" * 1_500_000_000, 1)),
    "a list of nested JSON": ("list.jsonl", lambda: b"[" * 100_000),
    "a list whose row has no end": ("list.csv.gz", lambda: gzip.compress(b'USER_ID\n"' + b'\n","' * 300_000_000, 1)),
}
"""Each file by what it has: its name, and what makes its bytes. None may take more than a function has."""


def handler(event: Mapping[str, Any], _context: object) -> dict[str, object]:
    """Check the file at `path`, as the functions do; answer why it is refused, empty otherwise, and the peak in MB."""
    path = Path(event["path"])
    for observe in objects.OBSERVERS:
        observe(f"drops/shop/{path.name}")
    with tempfile.TemporaryDirectory() as folder, path.open("rb") as file, ExitStack() as stack:
        body, scratch = archives.LocalFile(file, path), Path(folder)
        try:
            told = _listed(path.name, body, scratch, stack) if "list" in path.name else _checked(body, scratch, stack)
        except (Refused, Rejected) as refused:
            told = refused.reason
    return {"told": told, "peak": validation.peak()}


def _checked(body: archives.Body, scratch: Path, stack: ExitStack) -> str:
    settings = ShopSettings.model_validate({"columns": {"items.ITEM_ID": "ITEM_ID"}})
    expected = Expected("bomb", "interactions", "FULL", settings, now=validation.NOW)
    table = stack.enter_context(open_table("bomb", body, FileSettings(), scratch))
    return "; ".join(problems(expected, check_table(table, expected, len, scratch).findings))


def _listed(name: str, body: archives.Body, scratch: Path, stack: ExitStack) -> str:
    lines = users.lines_of(name, archives.unpacked(name, archives.Peeked(body), scratch, stack))
    users.Distinct(scratch / "users").add(users.listed(name, lines))
    return ""


def written(names: Iterable[str], folder: Path) -> dict[str, Path]:
    """Write bombs in a process of its own, since the memory of this one counts as the parent's; return their files."""
    paths = {name: folder / f"{number}-{FILES[name][0]}" for number, name in enumerate(names)}
    given = json.dumps({name: str(path) for name, path in paths.items()})
    subprocess.run([sys.executable, "-m", "benchmarks.bombs", given], check=True, cwd=REPOSITORY)
    return paths


def ended(path: Path, limits: Limits, child: Child) -> tuple[str, float]:
    """Have a child check a file; return why it is refused, and the child's peak in MB, or that of its limit."""
    try:
        answer = child.ask({"path": str(path)}, limits)
    except Ended as end:
        return end.error(limits).reason, limits.megabytes
    return str(answer["told"]), float(str(answer["peak"]))


if __name__ == "__main__":
    for name, path in json.loads(sys.argv[1]).items():
        Path(path).write_bytes(FILES[name][1]())
