# SPDX-License-Identifier: Apache-2.0
"""`start` from a shop's files to its first list, interrupted and started again."""

import csv
import json
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from personalization.shop.settings.settings import parse

from tests.app import retail
from tests.app.laptop import ROOT, Laptop
from tests.app.waiting import BOUND

SHOP = "started"
CANCELLED, STRAYS = 7, 5
"""Every so many orders one is cancelled; lines whose order is not there."""


def export(folder: Path) -> list[str]:
    """Write what a shop's database has: orders, their lines, products and customers; return the files."""
    orders, lines = list[Sequence[object]](), list[Sequence[object]]()
    for index, (user, item, seconds) in enumerate(retail.history()):
        number, first = 1_000 + index // 2, index % 2 == 0
        if first:
            status = "cancelled" if number % CANCELLED == 0 else "paid"
            orders.append((number, 500 + int(user[1:]), datetime.fromtimestamp(seconds, UTC).isoformat(), status))
        lines.append((10_000 + index, number, 7_000 + retail.ITEMS.index(item), 1))
    lines += [(90_000 + n, 80_000 + n, 7_000, 1) for n in range(STRAYS)]
    kinds = [item.partition("-")[0] for item in retail.ITEMS]
    tables: dict[str, tuple[str, Sequence[Sequence[object]]]] = {
        "orders.csv": ("id,customer_id,created_at,status", orders),
        "order_lines.csv": ("id,order_id,product_id,quantity", lines),
        "products.csv": (
            "id,name,price,category",
            [(7_000 + n, f"Thing {n}", f"{5 + n}.50", kind) for n, kind in enumerate(kinds)],
        ),
        "customers.csv": (
            "id,email,age_group",
            [(500 + n, f"someone{n}@example.org", "18-24" if n % 2 else "65+") for n in range(60)],
        ),
    }
    for name, (header, rows) in tables.items():
        (folder / name).write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return [str(folder / name) for name in tables]


def usual(laptop: Laptop, shop: str) -> list[str]:
    """Return the options of each `start` of a shop."""
    return ["--shop", shop, "--yes", *([] if laptop.backend == "personalize" else ["--backend", laptop.backend])]


def serving(laptop: Laptop, shop: str) -> set[str]:
    """Return whose campaigns serve a shop, by their ARNs."""
    release = laptop.client.runs.record(shop, "release")
    return {campaign["arn"].split(":")[2] for campaign in release["campaigns"].values()}


def sold(folder: Path) -> int:
    """Count the lines of orders that were not cancelled, of the files themselves."""
    with (folder / "orders.csv").open() as orders, (folder / "order_lines.csv").open() as lines:
        good = {row["id"] for row in csv.DictReader(orders) if row["status"] != "cancelled"}
        return sum(row["order_id"] in good for row in csv.DictReader(lines))


def test_start_goes_on_where_it_was_interrupted(laptop: Laptop, tmp_path: Path) -> None:
    (folder := tmp_path / "my export").mkdir()
    files = export(folder)
    line = [*files, *usual(laptop, SHOP), "--run-dir", str(laptop.home.run)]
    with subprocess.Popen(
        [sys.executable, "-m", "local", "start", *line], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        bound = threading.Timer(BOUND, process.kill)
        bound.start()
        try:
            assert process.stderr is not None
            printed = ""
            while not re.match(r" *\d+\.\d s  ", printed):
                printed = process.stderr.readline()
                assert printed, "start ended before its run began"
            process.send_signal(signal.SIGINT)
            shown, rest = process.communicate()
        finally:
            bound.cancel()
            process.kill()
    assert process.returncode == 130
    assert "interrupted: the same `start` goes on from here" in rest
    # A run that has ended by then is named in one piece, to be copied.
    assert max(len(line) for line in shown.splitlines() if "SUCCEEDED" not in line) <= 80
    assert "customers.csv, 1 column: email (personal data" in " ".join(shown.split())

    before = {run.name for run in laptop.client.runs.newest(SHOP, 50)}
    done = laptop.command_json("start", *files, *usual(laptop, SHOP))
    assert {run.name for run in laptop.client.runs.newest(SHOP, 50)} == before
    assert laptop.client.untrained(SHOP) == []
    assert serving(laptop, SHOP) == {laptop.backend}
    assert sum(rows for what, rows in done["counts"].items() if "no partner" in what or "without" in what) == STRAYS
    (imported,) = [drop for run in done["runs"] for drop in run["output"]["drops"] if drop["kind"] == "interactions"]
    assert imported["rows"] == sold(folder)
    assert all(item["metadata"]["NAME"].startswith("Thing ") for item in done["recommendations"])
    evaluate = shlex.split(done["next"]["what quality to expect"])
    named = [evaluate[evaluate.index(f"--{name}") + 1] for name in ("items", "users", "interactions", "settings")]
    assert all(Path(path).exists() for path in named)
    again = laptop.command("start", *files, *usual(laptop, SHOP), "--no-open")
    assert again.returncode == 0, again.stderr
    assert "an earlier start has trained on these files" in again.stderr
    assert re.search(f" recommend .*{SHOP} {done['user']}\\n", again.stdout)

    (dropped,) = laptop.command_json("drop", SHOP, "export", str(folder), "--watch")
    joined = {drop["key"]: drop for drop in dropped["run"]["output"]["drops"]}
    assert dropped["key"] == f"drops/{SHOP}/export/my export/manifest.json"
    # What the function joins are the bytes that `start` joined and dropped.
    interactions = joined[f"drops/{SHOP}/interactions/export-my export.csv"]
    assert interactions["outcome"] == "alreadyHandled"


def test_changed_settings_are_taken_and_changed_files_do_not_replace_them(laptop: Laptop, tmp_path: Path) -> None:
    files, shop = export(tmp_path), f"{SHOP}-again"
    first = laptop.command_json("start", *files, *usual(laptop, shop))
    settings = tmp_path / "settings.yaml"
    with settings.open("a") as file:
        file.write("rejects: {limit: 0.5}\n")
    changed = laptop.command_json("start", *files, *usual(laptop, shop))
    assert {run["run"] for run in changed["runs"]}.isdisjoint(run["run"] for run in first["runs"])
    with (tmp_path / "products.csv").open("a") as products:
        products.write("9999,New,5.50,garden\n")
    refused = laptop.command("start", *files, *usual(laptop, shop), "--json")
    assert refused.returncode == 2
    assert "was changed by hand, and the files are others now" in json.loads(refused.stdout)["error"]
    line = ["--settings", str(settings), "--write", str(other := tmp_path / "other.yaml")]
    renewed = laptop.command_json("start", *files, *usual(laptop, shop), *line)
    assert renewed["runs"][-1]["status"] == "SUCCEEDED"
    assert parse("settings.yaml", other.read_text()).rejects.limit == 0.5
