# SPDX-License-Identifier: Apache-2.0
"""Batch inference and segment jobs: answers to lines of JSON, from a trained model, tables, and what came after."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from personalize_local.answers.lines import Job, Lines, Person
from personalize_local.filters import Filter
from personalize_local.library.answering import Changes, Data, Live, attributes_of, counting, with_since
from personalize_local.library.models import Model
from personalize_local.library.refusals import refusing
from personalize_local.recipes.definitions import RECIPES, RecipeSpec, check_parameters
from personalize_local.wire.errors import InvalidInput

MOST_RESULTS: Final = {"BATCH_INFERENCE": 500, "BATCH_SEGMENT": 5_000_000}
NO_BATCH: Final = frozenset({"aws-trending-now", "aws-next-best-action"})
_DEFAULT_RESULTS: Final = 25


def check_batch(job: Mapping[str, Any], recipe: str, *, segments: bool = False, chosen: Filter | None = None) -> None:
    """Check the members of CreateBatchInferenceJob, or with `segments` of CreateBatchSegmentJob, as they do.

    `recipe`: the name of the solution version's. `chosen`: the filter that the job names. Themes are refused: a
    language model writes them on AWS. Raises Refused.
    """
    with refusing():
        spec = RECIPES[recipe]
        check_recipe(spec, segments=segments)
        check_parameters(job.get("batchInferenceJobConfig", {}), "itemExplorationConfig", spec.exploration, recipe)
        if job.get("batchInferenceJobMode", "BATCH_INFERENCE") != "BATCH_INFERENCE" or "themeGenerationConfig" in job:
            raise InvalidInput("Themes are not for jobs of the library: leave batchInferenceJobMode out.")
        results_of(job, segments=segments)
        if chosen:
            check_target(chosen, job.get("filterArn", "The filter"), segments=segments)


def check_recipe(spec: RecipeSpec, *, segments: bool) -> None:
    """Raise InvalidInput for a recipe that has no such jobs."""
    is_segmenting = spec.recipe_type == "USER_SEGMENTATION"
    if is_segmenting != segments or spec.name in NO_BATCH:
        raise InvalidInput(f"{spec.name} is not for batch {'segment' if segments else 'inference'} jobs.")


def results_of(job: Mapping[str, Any], *, segments: bool) -> int:
    """Return how many results a line gets at most. Raises InvalidInput."""
    results, most = (
        job.get("numResults", _DEFAULT_RESULTS),
        MOST_RESULTS["BATCH_SEGMENT" if segments else "BATCH_INFERENCE"],
    )
    if not 1 <= results <= most:
        raise InvalidInput(f"numResults is from 1 to {most}, not {results}.")
    return int(results)


def check_target(chosen: Filter, arn: str, *, segments: bool) -> None:
    """Raise InvalidInput for a filter that chooses something else than the job answers with."""
    target = "UserID" if segments else "ItemID"
    if any(expression.target != target for expression in chosen.expressions):
        raise InvalidInput(f"{arn} must choose by {target} here.")
    if segments and any(expression.dataset != "Users" for expression in chosen.expressions):
        raise InvalidInput(f"{arn}: segments are filtered by Users columns only in this engine.")


_UNCHANGED: Final = Changes()
_NOTHING: Final = Live()


@dataclass(frozen=True, slots=True, kw_only=True)
class Meanwhile:
    """What came after the tables and the training, as a `Recommender` takes it."""

    changes: Changes = _UNCHANGED
    """For everybody. Segments are filtered by the users whom it has."""
    user: Callable[[str], tuple[str, Live]] = lambda user: (user, _NOTHING)
    """Of the user of a line: their id, or that of nobody if they were erased, and what came of them."""
    hidden: Callable[[str], bool] = lambda _user: False
    """Whether a user was erased since the training: no segment has them."""


_AS_TRAINED: Final = Meanwhile()


class Batch:
    """Answers as a batch job with this model would, line for line."""

    def __init__(
        self,
        model: Model,
        data: Data,
        job: Mapping[str, Any],
        *,
        meanwhile: Meanwhile = _AS_TRAINED,
        chosen: Filter | None = None,
        now: float | None = None,
    ) -> None:
        """Answer from a model and the tables of its dataset group, which must stay until it is gone.

        `job`: members of the operation, checked by `check_batch`. `chosen`: the filter that the job names. `now`:
        seconds since 1970, the clock's if left out.

        Models of segments need scipy, and lark for lines with itemAttributes. Raises Refused.
        """
        spec, config = RECIPES[model.recipe], job.get("batchInferenceJobConfig", {})
        exploration = config.get("itemExplorationConfig", {})
        live = with_since(data, meanwhile.changes.since)
        with refusing():
            questions = Job(
                recipe=model.recipe,
                schemas=data.schemas,
                filter=chosen,
                results=results_of(job, segments=spec.recipe_type == "USER_SEGMENTATION"),
                now=time.time() if now is None else now,
                exploration={
                    name: float(exploration.get(name, parameter.default))
                    for name, parameter in spec.exploration.items()
                },
                influence=config.get("rankingInfluence", {}),
                hidden=meanwhile.hidden,
            )
        catalogue = counting(model.model, live, meanwhile.changes.counted)

        def person(user: str) -> Person:
            user_id, came = meanwhile.user(user)
            return Person(user_id, live.history_with(user_id, came.events), attributes_of(live, user_id, came))

        self._lines = Lines(questions, catalogue, person)

    def answer(self, line: str) -> str:
        """Answer a line of a job's input by a line of its output, without their ends; a bad one by its error."""
        return json.dumps(self._lines.answer(line), ensure_ascii=False)
