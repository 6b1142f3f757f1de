# SPDX-License-Identifier: Apache-2.0
"""A drop that is too large for one function goes through a Distributed Map, and comes out as from one pass."""

import json
import tempfile
from pathlib import Path
from typing import Any

from personalization.shop.settings.settings import ShopSettings
from table_intake import Expected
from table_intake.check import checking
from table_intake.read.rows import Table

from tests.app import retail
from tests.app.laptop import PART_BYTES, Laptop

SETTINGS = "recipes: [popularity-count]\n"


def content() -> str:
    """A history with damaged and quoted rows in each range."""
    header, *rows = retail.interactions(1_200, events_each=27).splitlines(keepends=True)
    for number in range(0, len(rows), 900):
        rows[number : number + 1] = [
            '"u,1","garden\n1",Purchase,1700000000\n',
            "u1,garden-01,Purchase,soon\n",
            rows[number],
        ]
        rows.insert(number + 450, 'u1,"garden-01,Purchase,1700000000\n')
    return header + "".join(rows)


def test_a_large_drop_is_checked_in_ranges_though_functions_are_killed_and_few_are_free(laptop: Laptop) -> None:
    text = content()
    assert len(text) > 3 * PART_BYTES
    laptop.put("drops/vastly/settings.yaml", SETTINGS)
    # Fewer than the parts that are read at a time, and none for anything beside them.
    with laptop.function_slots(2):
        steps_killed = {"check": True, "fit": False, "count": True}
        run = laptop.drop_while_killing("vastly", text, "CheckPartFunction", steps_killed)

    copy = bytearray()
    expected = Expected("k", "interactions", "FULL", ShopSettings())
    with tempfile.TemporaryDirectory() as scratch:
        whole = checking.check_table(Table("k", [text.encode()]), expected, copy.extend, Path(scratch))
    folder = f"imports/vastly/{run.name}/interactions/"
    keys = [content["Key"] for content in laptop.s3.list_objects_v2(Bucket=laptop.bucket, Prefix=folder)["Contents"]]
    rows = [row for key in keys for row in body(laptop, key).splitlines()[1:]]
    assert len(keys) == -(-len(text.encode()) // PART_BYTES)
    assert rows == bytes(copy).splitlines()[1:]
    assert body(laptop, f"rejects/vastly/{run.name}/interactions.csv") == whole.rejects.file()
    document: dict[str, Any] = json.loads(body(laptop, f"reports/vastly/{run.name}/data-interactions.json"))
    assert whole.findings.users is not None
    counts = [document["rows"][name] for name in ("accepted", "rejected", "duplicates")]
    once = whole.findings
    assert [*counts, document["users"]["ids"]] == [
        once.accepted,
        once.rejected,
        once.duplicates,
        whole.findings.users.ids,
    ]

    # Each pass is a map run, and no part was given up.
    steps = laptop.client.runs.client
    ran = steps.list_executions(stateMachineArn=laptop.state.outputs["CheckStateMachineArn"])["executions"]
    # Other tests' drops are checked in ranges, too.
    (ended,) = (arn for arn in (execution["executionArn"] for execution in ran) if "vastly" in input_of(laptop, arn))
    views = [
        steps.describe_map_run(mapRunArn=run["mapRunArn"]) for run in steps.list_map_runs(executionArn=ended)["mapRuns"]
    ]
    assert {view["status"] for view in views} == {"SUCCEEDED"}
    assert [view["executionCounts"]["succeeded"] for view in views] == [len(keys), 1]


def input_of(laptop: Laptop, arn: str) -> str:
    return laptop.client.runs.client.describe_execution(executionArn=arn)["input"]


def body(laptop: Laptop, key: str) -> bytes:
    return laptop.s3.get_object(Bucket=laptop.bucket, Key=key)["Body"].read()
