# SPDX-License-Identifier: Apache-2.0
"""Batch inference and segment jobs: files of JSON lines in, files of JSON lines out."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from personalize_local.answers.catalogue import Catalogue
from personalize_local.answers.lines import Job, Lines
from personalize_local.data.s3 import deliver, fetch
from personalize_local.jobs.tasks import BatchTask
from personalize_local.jobs.themes import Themes
from personalize_local.recipes import loading
from personalize_local.serving import TRAINED_UNTIL, read_live
from personalize_local.wire.errors import ImportRefused, JobRefused
from personalize_local.wire.protocol import Json

INVALID_INPUT: Final = "Invalid S3 input path"
THEMED: Final = 100
"""Items in an input file of a job with themes."""


def answer(task: BatchTask) -> int:
    count = 0
    with tempfile.TemporaryDirectory(prefix="batch-") as scratch:
        try:
            inputs = fetch(task.source, Path(scratch) / "in")
        except ImportRefused as refused:
            raise JobRefused.since(refused, INVALID_INPUT) from refused
        answer_line = _answerer(task)
        outputs = Path(scratch) / "out"
        outputs.mkdir()
        for file in inputs:
            with (
                file.open(encoding="utf-8") as lines,
                (outputs / f"{file.name}.out").open("w", encoding="utf-8") as out,
            ):
                for number, line in enumerate(filter(str.strip, lines), 1):
                    if task.themes and number > THEMED:
                        raise JobRefused(f"{file.name} has more than {THEMED} items, the most for themes")
                    out.write(json.dumps(answer_line(line), ensure_ascii=False) + "\n")
                    count += 1
        deliver(sorted(outputs.iterdir()), task.target)
    return count


def _answerer(task: BatchTask) -> Callable[[str], Json]:
    """Return the function that answers a line."""
    live, _ = read_live(task.database, task.bulk, task.datasets)
    mark = task.model / TRAINED_UNTIL
    # A deletion of users writes models of segments anew: they count no events.
    trained = int(mark.read_text()) if mark.exists() else 0
    catalogue = Catalogue(loading.load(task.model), live, trained=trained)
    job = Job(
        recipe=task.recipe,
        schemas=task.schemas,
        filter=task.filter,
        results=task.results,
        now=task.now,
        exploration=task.exploration,
        influence=task.influence,
    )
    lines = Lines(job, catalogue)
    if not task.themes:
        return lines.answer
    themes = Themes(live, catalogue.item_ids, task.themes)
    return lambda line: lines.answer(line, lambda output: _themed(themes, output))


def _themed(themes: Themes, output: Json) -> Json:
    """Add the theme of the recommended items, and put them in the order of its relevance."""
    theme, scored = themes.of(output["recommendedItems"])
    scores = [score for _, score in scored]
    return {"recommendedItems": [item for item, _ in scored], "theme": theme, "itemsThemeRelevanceScores": scores}
