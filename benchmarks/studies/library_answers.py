# SPDX-License-Identifier: Apache-2.0
"""What a process pays to answer with the engine as a library: before its first answer, and for each one.

Protocol: the generated purchases of `benchmarks.engine` (600,000 of 800 users), imported and trained here in two tiers.
Processes of their own import the library, open model and table, and answer: all figures are their processor time.
Requests ask for 25 items for random users, by a filter without what they purchased; `live` ones bring five events that
came after the table. The floor of the start is a process that imports numpy alone.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.engine import ITEMS, SHOPPERS, write_history
from benchmarks.harness import percentile

ANSWERS, WARM, STARTS = 500, 20, 5
COLUMNS = {"USER_ID": "string", "ITEM_ID": "string", "EVENT_TYPE": "string", "TIMESTAMP": "long"}
HEAD = {"type": "record", "name": "Interactions", "namespace": "com.amazonaws.personalize.schema", "version": "1.0"}
SCHEMA = json.dumps(HEAD | {"fields": [{"name": name, "type": kind} for name, kind in COLUMNS.items()]})
IMPORTS = {
    "Python": "pass",
    "Python and numpy": "import numpy",
    "the library's answers": "from personalize_local.library import Live, Recommender, open_model, open_tables",
    "a filter expression": "from personalize_local import filters; filters.parse('INCLUDE ItemID WHERE Items.A = 1')",
}


def main() -> None:
    """Measure; with a folder that `make` filled, only what this process takes to answer from it."""
    if len(sys.argv) > 1:
        answer(Path(sys.argv[1]))
        return
    for what, script in IMPORTS.items():
        command = [sys.executable, "-c", f"import time\n{script}\nprint(time.process_time())"]
        starts = [float(subprocess.check_output(command)) * 1e3 for _ in range(STARTS)]
        print(f"start, {what:24s} {median(starts):8.1f} ms")
    for tier in ("fast", "standard"):
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder), tier)
            print(f"tier {tier}", flush=True)
            subprocess.check_call([sys.executable, "-m", "benchmarks.studies.library_answers", folder])


def make(folder: Path, tier: str = "standard", notes: Mapping[str, Any] | None = None) -> None:
    """Import and train: `INTERACTIONS` and `model`, with notes for those who answer from it."""
    from personalize_local import library  # noqa: PLC0415 - not where starts are measured

    write_history(folder / "history.csv")
    library.import_table([folder / "history.csv"], SCHEMA, folder / "INTERACTIONS")
    solution = {
        "name": "next",
        "recipeArn": "arn:aws:personalize:::recipe/aws-user-personalization",
        "datasetGroupArn": "arn:aws:engine:us-east-1:123456789012:dataset-group/retail-demo",
    }
    options = library.Options(tier=tier)
    library.train({"INTERACTIONS": folder / "INTERACTIONS"}, solution, folder / "model", options=options, notes=notes)


def answer(folder: Path) -> None:
    """Print what this process takes."""
    from personalize_local import library  # noqa: PLC0415

    filtered = library.check_filter('EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")', {"INTERACTIONS": SCHEMA})
    began = time.process_time()
    opened = library.open_model(folder / "model")
    print(f"open the model            {(time.process_time() - began) * 1e3:8.1f} ms")
    began = time.process_time()
    recommender = library.Recommender(
        opened, library.open_tables({"INTERACTIONS": folder / "INTERACTIONS"}), arn="next"
    )
    print(f"open the table            {(time.process_time() - began) * 1e3:8.1f} ms")
    draw = random.Random(5)

    def event(number: int) -> library.StreamedEvent:
        item = f"i{min(ITEMS - 1, int(draw.paretovariate(0.6)) - 1)}"
        return library.StreamedEvent("s", "Purchase", 1_800_000_000.0 + number, f"e{number}", "u", item)

    def ask(user: str, events: int) -> None:
        live = library.Live([event(number) for number in range(events)])
        recommender.get_recommendations({"userId": user, "filterArn": "seen"}, live=live, filters=lambda _: filtered)

    print(f"the first answer          {timed(lambda: ask('u0', 0)):8.2f} ms")
    for what, events in (("an answer", 0), ("an answer, live", 5)):
        users = [f"u{draw.randrange(SHOPPERS)}" for _ in range(WARM + ANSWERS)]
        took = [timed(lambda user=user, events=events: ask(user, events)) for user in users][WARM:]  # type: ignore[misc]
        print(f"{what:25s} {median(took):8.2f} ms, 99 % within {percentile(took, 99):.2f} ms")


def timed(act: Callable[[], None]) -> float:
    """Return the milliseconds of processor time that something takes."""
    began = time.process_time()
    act()
    return (time.process_time() - began) * 1e3


if __name__ == "__main__":
    main()
