# SPDX-License-Identifier: Apache-2.0
"""What a training takes that reads events beside its table, in the form in which a shop's archive has them.

Protocol: made-up events are written as an archive of a day for each million, and a table of interactions beside them as
`benchmarks.studies.library` makes it. A process for each recipe, without polars, reads the archive from the disk in
S3's place, and trains in the standard tier. Seconds are of one processor; memory is the highest resident size.
"""

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from personalization.engine.archive import Archive
from personalization.engine.streamed import streamed_events

from benchmarks.studies import library as imports

BEGAN = 1_750_000_000


class Folder:
    """What the archive calls of S3, over a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def get_paginator(self, _operation: str) -> "Folder":
        return self

    def paginate(self, **parameters: str) -> Iterator[dict[str, object]]:
        keys = [f"{parameters['Prefix']}{path.name}" for path in sorted(self._root.glob("*.gz"))]
        yield {"Contents": [{"Key": key, "Size": 1} for key in keys]}

    def list_objects_v2(self, **parameters: str) -> dict[str, object]:
        return next(self.paginate(**parameters))

    def get_object(self, **parameters: str) -> dict[str, object]:
        return {"Body": (self._root / Path(parameters["Key"]).name).open("rb"), "ETag": "1"}


def write_events(count: int, folder: Path) -> None:
    """Write an archive; a tenth of the events have no user, and half of those a session that logs in later."""
    import numpy as np  # noqa: PLC0415 - a measured process has no more than it needs

    from benchmarks.growth import made  # noqa: PLC0415

    folder.mkdir()
    made_up = made(count)
    order = np.random.default_rng(3).permutation(count)
    for day, begin in enumerate(range(0, count, 1_000_000)):
        size = min(1_000_000, count - begin)
        part = order[begin : begin + size]
        users, items = made_up.user_index[part].tolist(), made_up.item_index[part].tolist()
        with gzip.open(folder / f"2026-01-{day + 1:02d}.jsonl.gz", "wt", compresslevel=1) as file:
            file.write("{}\n")
            for number in range(size):
                at, user = BEGAN + begin + number, users[number]
                owner = f"u{user:08d}" if number % 10 else ""
                session = f"session-{user if number % 20 else -number}"
                event_id = f"{begin + number:08x}-5bd1-4b2e-9a43-{begin + number:012x}"
                row = [at, event_id, session, owner, f"i{items[number]:08d}", "View", at - 0.25, None, "", "", ""]
                file.write(json.dumps(row, separators=(",", ":")) + "\n")


def measure(recipe: str, folder: Path) -> None:
    """Train in this process, and print what it took."""
    from personalize_local import library  # noqa: PLC0415

    sys.modules["polars"] = None  # type: ignore[assignment]
    client: Any = Folder(folder / "events")
    archived = Archive(client, "bucket", "shop").events(BEGAN * 2)
    since = library.Since(streamed_events(archived, imports.SCHEMA))
    began, read = time.process_time(), 0.0

    def enter(_phase: str) -> None:
        nonlocal read
        read = read or time.process_time() - began

    solution = {"recipeArn": f"arn:aws:personalize:::recipe/{recipe}"}
    tables = {"INTERACTIONS": folder / "table"}
    library.train(tables, solution, folder / recipe, since=since, options=library.Options(enter=enter))
    print(json.dumps([time.process_time() - began, read, imports.status_bytes("VmHWM")]))


def main() -> None:
    """Print a line for each recipe and number of events."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=float, nargs="+", default=[1.0], help="millions")
    parser.add_argument("--imported", type=float, default=1.0, help="millions of interactions in the table")
    parser.add_argument("--recipes", nargs="+", default=imports.RECIPES)
    parser.add_argument("--one", nargs=2, metavar=("RECIPE", "FOLDER"), help="train in this process")
    options = parser.parse_args()
    if options.one:
        measure(options.one[0], Path(options.one[1]))
        return
    for millions in options.events:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_events(int(millions * 1e6), folder / "events")
            from personalize_local import library  # noqa: PLC0415

            files = imports.write_files(int(options.imported * 1e6), 0, folder, 1)
            library.import_table(files, imports.SCHEMA, folder / "table")
            for recipe in options.recipes:
                command = [sys.executable, "-m", "benchmarks.studies.streamed", "--one", recipe, name]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                seconds, read, resident = json.loads(done.stdout)
                figures = f"{seconds:.1f} s, {read:.1f} of them reading | {resident / 2**20:,.0f} MB"
                print(f"| {recipe} | {millions:g} + {options.imported:g} million | {figures} |", flush=True)


if __name__ == "__main__":
    main()
