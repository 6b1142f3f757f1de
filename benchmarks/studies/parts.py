# SPDX-License-Identifier: Apache-2.0
"""A folder of large parts, checked in ranges as Distributed Maps do, against pyarrow and polars: the same to the row.

Protocol: a CSV, a gzip and a Parquet file of the rows of `benchmarks.validation`, some of them damaged; the rows of the
Parquet file are those of the CSV again. pyarrow reads the parts in a process of its own, and polars counts their rows.
Both must find the same counts, and the same lines of the first refused rows, else the command fails.
"""

import argparse
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.studies.ranges import in_ranges
from benchmarks.validation import HEADER, NOW, peak, write

ROWS_OF_A_MEGABYTE = 28_000
DAMAGED = 1_000
"""One row of so many."""
SHOWN = 100_000
"""Lines of refused rows that are compared: as many as a file of them has."""


def make(folder: Path, megabytes: int) -> None:
    """Write three parts of about so many megabytes each, unpacked."""
    import polars as pl  # noqa: PLC0415

    rows = megabytes * ROWS_OF_A_MEGABYTE
    write(folder / "1.csv", rows, DAMAGED)
    write(folder / "2.csv", rows // 2, DAMAGED)
    with (folder / "2.csv").open("rb") as plain, gzip.open(folder / "2.csv.gz", "wb", compresslevel=1) as packed:
        shutil.copyfileobj(plain, packed, 1 << 20)
    write(folder / "2.csv", rows)
    user = pl.when(pl.int_range(pl.len()) % DAMAGED > 0).then("USER_ID")
    pl.scan_csv(folder / "2.csv").with_columns(user).sink_parquet(
        folder / "3.parquet", row_group_size=1_000_000, compression="uncompressed"
    )
    (folder / "2.csv").unlink()


def ours(paths: Sequence[Path], size: int) -> list[object]:
    """What the steps of the check find."""

    def told(copied: Any, origins: Any) -> list[object]:  # noqa: ANN401 - imported late
        findings = copied.findings
        counts = [findings.rows, findings.accepted, findings.duplicates, findings.first, findings.last]
        spreads = [[sketch.ids, sketch.at_least(2)] for sketch in (findings.users, findings.items)]
        lines = re.findall(r'^"([^"]+)",([0-9]+),', copied.rejects.file(origins).decode(), re.MULTILINE)
        return [*counts, *spreads, sorted(findings.event_types.items()), [[name, int(line)] for name, line in lines]]

    return in_ranges(paths, size, told)


def peer(paths: Sequence[Path]) -> list[object]:
    """What pyarrow and polars find."""
    import polars as pl  # noqa: PLC0415

    rows, bad, types, hashed = 0, list[list[object]](), Counter[str](), list[pl.DataFrame]()
    for path in paths:
        line = 0
        for frame in _frames(path):
            time_, value = (pl.col(name).cast(pl.String) for name in ("TIMESTAMP", "EVENT_VALUE"))
            seconds = time_.cast(pl.Int64, strict=False)
            good = pl.col("USER_ID").str.len_bytes().is_between(1, 256) & seconds.is_between(10**9, NOW)
            good &= value.cast(pl.Float64, strict=False).is_not_null() & ~pl.col("ragged")
            told = frame.select(good=good.fill_null(value=False), line=pl.int_range(pl.len()) + line + 1)
            refused = told.filter(~pl.col("good"))["line"]
            # The header of a text is line 1.
            bad += [[path.name, number + (path.suffix != ".parquet")] for number in refused.head(SHOWN - len(bad))]
            line += frame.height
            some = frame.filter(told["good"]).with_columns(time_, value)
            types.update(dict(some["EVENT_TYPE"].value_counts().rows()))
            row = pl.concat_str(HEADER, separator=",").hash()
            hashes = row.alias("row"), pl.col("USER_ID").hash(), pl.col("ITEM_ID").hash(), seconds.alias("seconds")
            hashed.append(some.select(hashes))
        rows += line
    whole = pl.concat(hashed)
    spreads = [[count.len(), int((count > 1).sum())] for count in _counts(whole)]
    counts = [whole.height, whole.height - whole["row"].n_unique(), whole["seconds"].min(), whole["seconds"].max()]
    return [rows, *counts, *spreads, sorted(types.items()), bad]


def _counts(whole: Any) -> Iterator[Any]:  # noqa: ANN401 - polars is imported late
    for name in ("USER_ID", "ITEM_ID"):
        yield whole[name].value_counts()["count"]


def _frames(path: Path) -> Iterator[Any]:
    """Yield the rows of a part as pyarrow reads them; those of a text as lines that are split at commas."""
    import polars as pl  # noqa: PLC0415
    import pyarrow.csv as pc  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    if path.suffix == ".parquet":
        for batch in pq.ParquetFile(path).iter_batches(1 << 18):
            yield pl.DataFrame(pl.from_arrow(batch)).with_columns(ragged=pl.lit(value=False))
        return
    # One column for each line, since rows with too many values would have no number.
    read = pc.ReadOptions(column_names=["line"], skip_rows=1, block_size=1 << 23)
    parse = pc.ParseOptions(delimiter="\x01", quote_char=False)
    with pc.open_csv(path, read, parse, pc.ConvertOptions(column_types={"line": "string"})) as reader:
        for batch in reader:
            lines = pl.DataFrame(pl.from_arrow(batch))
            split = pl.col("line").str.split_exact(",", len(HEADER) - 1).struct.rename_fields(list(HEADER))
            ragged = pl.col("line").str.count_matches(",", literal=True) != len(HEADER) - 1
            yield lines.select(split.alias("cells"), ragged.alias("ragged")).unnest("cells")


def main() -> None:
    """Print the counts that both found, and what ours took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1_000, help="of each part, unpacked; default 1,000")
    parser.add_argument("--range", type=int, default=300, metavar="MB", help="of a range; default 300")
    parser.add_argument("--measure", nargs=3, metavar=("WHO", "FOLDER", "BYTES"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        who, folder, size = options.measure
        import personalization.ingest.prepare  # noqa: F401, PLC0415 - what a function has loaded before it is asked

        paths, used = sorted(path for path in Path(folder).iterdir() if path.is_file()), time.process_time()
        findings = ours(paths, int(size)) if who == "ours" else peer(paths)
        print(json.dumps({"found": findings, "cpu": time.process_time() - used, "megabytes": peak()}))
        return
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), options.megabytes)
        sizes = {path.name: f"{path.stat().st_size / 1e6:,.0f} MB" for path in sorted(Path(folder).iterdir())}
        print(", ".join(f"{name} {size}" for name, size in sizes.items()))
        results = {}
        for who in ("ours", "peer"):
            arguments = ["--measure", who, folder, str(options.range * 1_000_000)]
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.studies.parts", *arguments],
                env=os.environ | {"POLARS_MAX_THREADS": "1"},
                check=True,
                capture_output=True,
            )
            results[who] = json.loads(done.stdout)
    (*counts, lines), (*expected, shown) = (results[who]["found"] for who in ("ours", "peer"))
    for who, result in results.items():
        print(f"  {who:5} {result['cpu']:6.1f} s of processor time, peak {result['megabytes']:,.0f} MB: {counts}")
    if (counts, lines[:SHOWN]) != (expected, shown[: len(lines)]) or not lines:
        sys.exit(f"different findings: {counts} and {expected}, lines {lines[:5]} and {shown[:5]}")
    print(f"  the same counts, and the same {len(lines[:SHOWN]):,} lines of refused rows")


if __name__ == "__main__":
    main()
