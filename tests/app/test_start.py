# SPDX-License-Identifier: Apache-2.0
"""`start` from a shop's files to its first list, interrupted and started again."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

from personalization.shop.settings.settings import parse

from tests.app import retail
from tests.app.laptop import ROOT, Laptop


def export(folder: Path) -> list[str]:
    """Write a shop's orders and products as a shop exports them; return their paths."""
    orders = [line.split(",") for line in retail.interactions().splitlines()[1:]]
    goods = [line.split(",") for line in retail.items().splitlines()[1:]]
    sold = [f"{user},{item},{seconds},paid" for user, item, _, seconds in orders]
    cancelled = [f"{user},{item},{seconds},cancelled" for user, item, _, seconds in orders[:9]]
    files = {
        "orders.csv": ["Customer,SKU,Ordered at,Status", *sold, *cancelled],
        "products.csv": ["SKU,Product name,Price,Category", *(",".join(row) for row in goods)],
    }
    for name, lines in files.items():
        (folder / name).write_text("\n".join(lines) + "\n")
    return [str(folder / name) for name in files]


def test_start_goes_on_where_it_was_interrupted(laptop: Laptop, tmp_path: Path) -> None:
    files = export(tmp_path)
    line = [*files, "--shop", "started", "--yes", "--run-dir", str(laptop.home.run)]
    with subprocess.Popen(
        [sys.executable, "-m", "local", "start", *line], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        told = ""
        while not re.match(r" *\d+\.\d s  ", told):
            told = process.stderr.readline()
            assert told, "start ended before its run began"
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate()
    assert process.returncode == 130
    assert "interrupted: the same `start` goes on from here" in rest
    settings = tmp_path / "settings.yaml"
    written = parse("settings.yaml", settings.read_text())
    assert written.interactions is not None
    assert written.interactions.skip == {"Status": ("cancelled",)}
    again = laptop.command("start", *files, "--shop", "started", "--yes", "--no-open")
    assert again.returncode == 0, again.stderr
    assert "an earlier start has trained on these files" in again.stderr
    assert "dropping" not in again.stderr
    assert f"s3 sync {laptop.home.run}/starts/started/drops" in again.stdout
    done = laptop.command_json("start", *files, "--shop", "started", "--yes")
    assert [item["metadata"]["PRODUCT_NAME"] for item in done["recommendations"]]
    assert laptop.client.untrained("started") == ["users"]
    assert {entry["file"]: entry["kind"] for entry in done["files"]} == {
        "orders.csv": "interactions",
        "products.csv": "items",
    }

    with settings.open("a") as file:
        file.write("rejects: {limit: 0.5}\n")
    changed = laptop.command_json("start", *files, "--shop", "started", "--yes")
    assert {run["run"] for run in changed["runs"]}.isdisjoint(run["run"] for run in done["runs"])
    (tmp_path / "products.csv").write_text((tmp_path / "products.csv").read_text() + "new-1,New,5,garden\n")
    refused = laptop.command("start", *files, "--shop", "started", "--yes", "--json")
    assert refused.returncode == 2
    assert "was changed by hand, and the files are others now" in json.loads(refused.stdout)["error"]
    other = tmp_path / "other.yaml"
    line = ["--shop", "started", "--yes", "--settings", str(settings), "--write", str(other)]
    renewed = laptop.command_json("start", *files, *line)
    assert renewed["runs"][-1]["status"] == "SUCCEEDED"
    assert parse("settings.yaml", other.read_text()).rejects.limit == 0.5
