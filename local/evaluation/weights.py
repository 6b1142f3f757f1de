# SPDX-License-Identifier: Apache-2.0
"""What events of other types should count for, measured on held-out events of the goal, such as purchases.

Recommended for you of the second generation trains with several weights, in its fast tier. A proposal is chosen on the
end of the past, and only where it is better there than equal weights beyond chance; the test has no say in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from personalization.releases.ranking_metrics import Answer
from personalization.shop.settings.training import MOST_EVENTS
from personalize_local.data.frames import pl
from personalize_local.recipes.config import RETURN, EventParameters, TrainingConfig
from personalize_local.wire.errors import TrainingRefused

from local.evaluation import comparison, pasts, splitting
from local.evaluation.comparison import Document, Field
from local.evaluation.files import Tables
from local.evaluation.pasts import Past, Question
from local.evaluation.trainings import Trainings

RECIPE = "aws-user-personalization-v2"
EQUAL, SET, PROPOSED = "equal", "settings", "proposal"
TRIED = (0.0, 0.03, 0.1, 0.3)
"""Weights of all other types that a proposal may have, beside 1 for the goal."""
LEAST_OTHERS = splitting.LEAST_ROWS
"""The fewest events of other types that could matter."""
Events = tuple[EventParameters, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What is measured, and with what.

    Attributes:
        tables, past: the shop's, the past being that before the test. questions: the test's.
        goal: the event type that is predicted. events: the weights in the shop's settings, none without them.
        field, seed: the bounds of the figures, and the seed of all draws.
    """

    tables: Tables
    past: Past
    questions: Sequence[Question]
    goal: str
    events: Events
    field: Field
    seed: int


def measured(trial: Trial, trainings: Trainings) -> Document | None:
    """Return what weights change; None where the history has one type of events, or too few of the others."""
    types = _types(trial.tables.interactions)
    others = [name for name in types if name.lower() != trial.goal.lower()]
    if not others or sum(types[name] for name in others) < LEAST_OTHERS or not trial.questions:
        return None
    total = sum(types.values())
    weighed = {weight: _events(trial.goal, others, weight) for weight in (*TRIED, 1.0)}
    best, validated = _chosen(trial, trainings, weighed)
    variants = {EQUAL: weighed[1.0]}
    if trial.events:
        variants[SET] = trial.events
    if best is not None:
        variants[PROPOSED] = weighed[best]
    answers = _answers(trial, trainings, variants, trial.past, trial.questions)
    if EQUAL not in answers:
        return None
    figures = comparison.figures(answers, EQUAL, trial.field)
    return {
        "goal": trial.goal,
        "shoppers": len(trial.questions),
        "types": [{"name": name, "rows": rows, "share": round(rows / total, 4)} for name, rows in types.items()],
        "variants": [
            {"variant": name, "events": _told(variants[name])}
            | {key: figures[name][key] for key in ("hitRate", "ndcg", "times")}
            for name in answers
        ],
        "validated": validated,
    }


def _types(rows: pl.DataFrame) -> dict[str, int]:
    """Return the events by type, the goal's own among them, the most frequent first; without returns."""
    counted = rows["EVENT_TYPE"].drop_nulls().value_counts(sort=True).iter_rows()
    return {str(name): rows for name, rows in counted if str(name).lower() != RETURN}


def _events(goal: str, others: Sequence[str], weight: float) -> Events:
    """Return weights: 1 for the goal, and one weight for the most frequent others, none of which trains with 0."""
    rest = [EventParameters(name, weight=weight) for name in others[: MOST_EVENTS - 1]] if weight else []
    return (EventParameters(goal, weight=1.0), *rest)


def _told(events: Events) -> list[Document]:
    return [{"name": event.event_type, "weight": event.weight, "threshold": event.threshold} for event in events]


def _chosen(
    trial: Trial, trainings: Trainings, weighed: Mapping[float, Events]
) -> tuple[float | None, list[float] | None]:
    """Return the best weight at the end of the past, and its NDCG there as a multiple of that of equal weights.

    None where no weight is better than equal ones beyond chance, or the past is too short to tell.
    """
    before = splitting.earlier(trial.past.split, trial.goal)
    if before is None:
        return None, None
    try:
        past = pasts.prepared(trial.tables, before, TrainingConfig(events=weighed[1.0]))
    except TrainingRefused:
        return None, None
    users = pasts.drawn(past.active & past.split.tests.keys(), pasts.MOST, trial.seed)
    questions = [past.question(user, past.split.tests[user]) for user in users]
    variants = {f"{weight}": events for weight, events in weighed.items()}
    answers = _answers(trial, trainings, variants, past, questions)
    if "1.0" not in answers or len(answers) < 2:
        return None, None
    figures = comparison.figures(answers, "1.0", trial.field)
    best = max((name for name in answers if name != "1.0"), key=lambda name: float(figures[name]["ndcg"][0]))
    times: list[float] | None = figures[best]["times"]
    return (float(best), times) if times is not None and times[1] > 1 else (None, None)


def _answers(
    trial: Trial, trainings: Trainings, variants: Mapping[str, Events], past: Past, questions: Sequence[Question]
) -> dict[str, list[Answer]]:
    """Train with each choice of weights, and ask; a choice on which Personalize would not train is left out."""
    configs = {
        name: TrainingConfig(events=events, hyperparameters={"tier": "fast"}) for name, events in variants.items()
    }
    whose = "all" if past is trial.past else "before"
    for config in configs.values():
        trainings.start(RECIPE, whose, past.snapshot, config)
    answers: dict[str, list[Answer]] = {}
    for name, config in configs.items():
        try:
            method = comparison.of_model(name, *trainings.wait(RECIPE, whose, config))
        except TrainingRefused:
            continue
        answers[name] = comparison.ask_all(method, questions, trial.field.depth, new=False)
    return answers
