# SPDX-License-Identifier: Apache-2.0
"""Checking a drop in ranges, as a Distributed Map does, against one pass: processor time, memory, the same findings.

Protocol: the file of `benchmarks.validation`, with one row in a thousand damaged. Each way is a process of its own, on
one processor. In ranges, every step of `CheckPartFunction` runs in turn, on a bucket that is a folder, and the results
are added up; all of their bytes are written and read. Both must find the same, else nothing is printed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from benchmarks.validation import NOW, peak, write

KEY = "drops/demo/interactions/history.csv"


class Slice:
    """The next bytes of a file, as many as were asked for."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data

    def close(self) -> None:
        self._file.close()


class Bucket:
    """As much of an S3 client as the steps need, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, key: str) -> Path:
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def get_object(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - as boto3
        from botocore.exceptions import ClientError  # noqa: PLC0415

        path = self.path(arguments["Key"])
        if not path.exists():
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        file = path.open("rb")
        if "Range" not in arguments:
            return {"Body": file, "ContentLength": path.stat().st_size}
        begin, _, end = arguments["Range"].removeprefix("bytes=").partition("-")
        size = path.stat().st_size
        last = min(int(end or size), size - 1)
        file.seek(int(begin))
        return {"Body": Slice(file, last - int(begin) + 1), "ContentRange": f"bytes {begin}-{last}/{size}"}

    def put_object(self, **arguments: Any) -> None:  # noqa: ANN401 - as boto3
        self.path(arguments["Key"]).write_bytes(arguments["Body"])

    def create_multipart_upload(self, **arguments: Any) -> dict[str, str]:  # noqa: ANN401 - as boto3
        self.path(arguments["Key"]).write_bytes(b"")
        return {"UploadId": "1"}

    def upload_part(self, **arguments: Any) -> dict[str, str]:  # noqa: ANN401 - as boto3
        with self.path(arguments["Key"]).open("ab") as file:
            file.write(arguments["Body"])
        return {"ETag": "1"}

    def complete_multipart_upload(self, **_: Any) -> None:  # noqa: ANN401 - as boto3
        """Do nothing: all parts are there."""


def one_pass(path: Path) -> list[object]:
    from contextlib import ExitStack  # noqa: PLC0415

    from table_intake import FileSettings, check_table  # noqa: PLC0415
    from table_intake.read import opening as formats  # noqa: PLC0415
    from table_intake.read.archives import LocalFile  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        scratch, target = Path(folder), stack.enter_context((Path(folder) / "copy").open("wb"))
        body = LocalFile(stack.enter_context(path.open("rb")), path)
        table = stack.enter_context(formats.open_table(KEY, body, FileSettings(), scratch))
        return told(check_table(table, expected(), target.write, scratch), None)


def in_ranges(paths: Sequence[Path], size: int, told: Callable[[Any, Any], list[object]]) -> list[object]:
    """Check files in ranges of a size; `told` is asked with what was found, and where its lines come from."""
    from personalization.ingest.item_lines import ItemLines  # noqa: PLC0415
    from personalization.ingest.known_ids import Store  # noqa: PLC0415
    from personalization.ingest.ranges import Bucket as Storage  # noqa: PLC0415
    from table_intake.ranges.division import Division  # noqa: PLC0415
    from table_intake.ranges.merged import Merged  # noqa: PLC0415
    from table_intake.ranges.steps import Steps  # noqa: PLC0415
    from table_intake.ranges.work import Work  # noqa: PLC0415
    from table_intake.read.parts import Parts, SourcePart  # noqa: PLC0415

    with tempfile.TemporaryDirectory(dir=paths[0].parent) as folder:
        client: Any = Bucket(Path(folder))
        parts = [SourcePart(f"drops/{path.name}", None, path.stat().st_size, path.name) for path in paths]
        for path, part in zip(paths, parts, strict=True):
            os.link(path, client.path(part.key))
        storage = Storage(client, "bucket")
        work = Work(storage, "work/demo/run/drop/")
        Division(storage, size).begin(work, expected(), Parts(tuple(parts)), "imports/part-")
        steps = Steps(storage, work.folder, lambda _: Store(client, "bucket", "demo"), ItemLines)
        for task in work.tasks(0):
            steps.check(0, task.number)
        fit = steps.fit(0)
        assert not fit["again"]  # noqa: S101
        for number in range(int(str(fit["partitions"]))):
            steps.count(0, number)
        end = work.end()
        assert end is not None  # noqa: S101
        with tempfile.TemporaryDirectory() as scratch:
            merged = Merged(work, *end)
            return told(merged.copied(Path(scratch)), merged.origins)


def expected() -> Any:  # noqa: ANN401 - imported late
    from personalization.shop.settings.settings import ShopSettings  # noqa: PLC0415
    from table_intake import Expected  # noqa: PLC0415

    return Expected(KEY, "interactions", "FULL", ShopSettings(), now=NOW)


def told(copied: Any, _origins: object) -> list[object]:  # noqa: ANN401 - imported late
    """What both ways must find."""
    findings = copied.findings
    counts = [findings.rows, findings.accepted, findings.duplicates, findings.size, findings.first, findings.last]
    spreads = [[sketch.ids, sketch.at_least(2), list(sketch.top)] for sketch in (findings.users, findings.items)]
    reasons = [[reason.rule, reason.rows, reason.examples[0].line] for reason in findings.reasons]
    return [*counts, spreads, reasons, len(copied.rejects.file())]


def measured(way: str, path: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.studies.ranges", "--measure", way, str(path)]
    done = subprocess.run(
        command, env=os.environ | {"POLARS_MAX_THREADS": "1"}, check=True, capture_output=True, text=True
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def main() -> None:
    """Print how much more processor time ranges take than one pass."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000_000, help="rows of the file; default 20 million")
    parser.add_argument("--ranges", type=int, default=64)
    parser.add_argument("--measure", nargs=2, metavar=("WAY", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        way, file = options.measure
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        import personalization.ingest.prepare  # noqa: F401, PLC0415 - what a function has loaded before it is asked

        started, used = time.perf_counter(), time.process_time()
        path = Path(file)
        findings = one_pass(path) if way == "one" else in_ranges([path], -(-path.stat().st_size // int(way)), told)
        times = {"seconds": time.perf_counter() - started, "cpu": time.process_time() - used}
        print(json.dumps({**times, "megabytes": peak(), "found": findings}))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "interactions.csv"
        write(path, options.rows, 1_000)
        print(f"{options.rows:,} interactions, {path.stat().st_size / 1e6:.0f} MB, one row in 1,000 damaged")
        results = {way: measured(way, path) for way in ("one", str(options.ranges))}
        whole, divided = results.values()
        if whole["found"] != divided["found"]:
            sys.exit(f"different findings: {whole['found']} and {divided['found']}")
        for label, result in (("one pass", whole), (f"{options.ranges} ranges", divided)):
            rate = options.rows / result["cpu"] / 1e6
            figures = f"{result['cpu']:6.1f} s of processor time, {rate:.2f} million rows/s"
            print(f"  {label:10} {figures}, peak {result['megabytes']:.0f} MB resident")
        print(f"  {divided['cpu'] / whole['cpu'] - 1:+.1%} processor time; the same findings, to the row")


if __name__ == "__main__":
    main()
