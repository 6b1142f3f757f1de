# SPDX-License-Identifier: Apache-2.0
"""The whole evaluation as one document: split, train, ask, measure, and explain."""

import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from personalization.releases.ranking_metrics import Answer, tail_share
from personalization.reports import pages
from personalize_local.data.frames import pl
from personalize_local.recipes.config import EventParameters, TrainingConfig
from personalize_local.recipes.related.model import ListModel
from personalize_local.wire.errors import TrainingRefused
from table_intake.wording import Language

from local.evaluation import comparison, distinct_lists, files, likelihood, pasts, rules, splitting, weights, words
from local.evaluation.comparison import Document, Field, Method
from local.evaluation.counts import Counts
from local.evaluation.files import BadInput, Tables
from local.evaluation.pasts import Past, Question, prepared, thinned
from local.evaluation.rules import Options, Rule
from local.evaluation.splitting import Split
from local.evaluation.trainings import Trainings, opened

PERSONAL = "aws-user-personalization"
RANKING = "aws-personalized-ranking"
RECIPES = (PERSONAL, "aws-similar-items", "aws-sims", "aws-popularity-count", "aws-trending-now", RANKING)
POPULAR, LATELY = "popular", "popular lately"
AGAIN, DECAYED, NEWEST = "bought before", "bought before and lately", "bought before, the newest most"
NEIGHBOURS, EASE, CHAIN = "same users", "all together", "follows"
RULES: Mapping[str, Rule] = {
    POPULAR: rules.POPULAR,
    LATELY: rules.RECENT,
    AGAIN: rules.AGAIN,
    DECAYED: rules.FREQUENCY,
    CHAIN: rules.CHAIN,
    NEIGHBOURS: rules.COSINE,
    EASE: rules.EASE,
}
BY_POSITION: Mapping[str, Rule] = {
    NEWEST if name == DECAYED else name: rule for name, rule in RULES.items() if name != LATELY
}
"""The rules where times are positions."""
FOR_KNOWN = (POPULAR, LATELY, AGAIN, DECAYED, NEWEST, CHAIN)
FOR_DISCOVERY = (POPULAR, LATELY, CHAIN, NEIGHBOURS, EASE)
TRENDING = "aws-trending-now"
FOR_EVERYBODY = ("aws-popularity-count", TRENDING)
RELATED = ("aws-similar-items", "aws-sims")
FOR_STRANGERS = (PERSONAL, *FOR_EVERYBODY, POPULAR, LATELY)
CURVE = (0.25, 0.5)
"""Shares of the users to train on, in the fast tier, to see what more of them bring."""
ENOUGH = 100
"""How many users without a past suffice; with fewer, others are asked about as if they had none."""
HEAD = 0.2
"""The share of the items that are bestsellers; the others are the long tail."""
TUNED = 400
"""The most users to choose the rules' parameters on."""


Tell = Callable[[str, float], None]
"""Takes what is being done, and the share of the whole that is done."""
TOTAL = 138.0
"""The weights of all stages together, about their seconds on 600,000 interactions."""


@dataclass(frozen=True, slots=True)
class Plan:
    depth: int = 10
    seed: int = 7
    tier: str = "standard"
    event_type: str | None = None
    """None: purchases where there are enough of them, else everything; `all`: everything."""
    days: float | None = None
    language: Language = "en"
    """The language of the page and the terminal."""
    goal: str = "Purchase"
    """The event type to predict by default, where a shop has enough of it."""
    events: tuple[EventParameters, ...] = ()
    """The weights of event types in the shop's settings."""


def evaluate(tables: Tables, plan: Plan, tell: Tell) -> Document:
    """Evaluate a shop's tables. Raises BadInput."""
    started = time.perf_counter()
    event_type = _event_type(tables.interactions, plan)
    given = splitting.split(tables.interactions, event_type, plan.days, positions=tables.positions)
    config = TrainingConfig(event_type=event_type, hyperparameters={"tier": plan.tier})
    try:
        with tempfile.TemporaryDirectory(prefix="evaluation-") as scratch, opened(Path(scratch)) as trainings:
            trial = _Trial(tables, plan, given, config=config, trainings=trainings, tell=tell)
            document = trial.document()
    except TrainingRefused as refused:
        raise BadInput(f"what lies before the test is too little to train on: {refused}") from None
    return document | {"seconds": round(time.perf_counter() - started, 1)}


def _event_type(rows: pl.DataFrame, plan: Plan) -> str | None:
    if plan.event_type is not None:
        return None if plan.event_type.lower() == "all" else plan.event_type
    counted = int((rows["EVENT_TYPE"].str.to_lowercase() == plan.goal.lower()).sum())
    return plan.goal if 2 * splitting.LEAST_ROWS <= counted < rows.height else None


class _Trial:
    def __init__(
        self, tables: Tables, plan: Plan, given: Split, config: TrainingConfig, trainings: Trainings, tell: Tell
    ) -> None:
        self._tables, self._plan, self._config = tables, plan, config
        self._trainings, self._tell, self._done = trainings, tell, 0.0
        self._recipes = tuple(recipe for recipe in RECIPES if recipe != TRENDING or not tables.positions)
        self._everybody = tuple(recipe for recipe in FOR_EVERYBODY if recipe in self._recipes)
        self._rules_of = BY_POSITION if tables.positions else RULES
        self._fast = replace(config, hyperparameters={"tier": "fast"})
        self._past = prepared(tables, given, config)
        self._panel = pasts.panel(self._past, plan.seed)
        seen = np.bincount(self._past.rows.item, minlength=self._past.rows.items)
        order = np.argsort(-seen, kind="stable")[: int((seen > 0).sum())]
        self._sold: list[str] = self._past.snapshot.items[order].tolist()
        head = frozenset(self._sold[: max(1, round(HEAD * len(self._sold)))])
        self._field = Field(plan.depth, len(self._past.snapshot.items), head, plan.seed)

    @contextmanager
    def _stage(self, text: str, weight: float) -> Iterator[None]:
        self._tell(text, min(self._done / TOTAL, 1.0))
        yield
        self._done += weight

    def document(self) -> Document:
        parts = self._begin()
        tuning = self._tuned()
        with self._stage("fitting the purchase likelihood", 8):
            calibration = likelihood.of(self._tables, self._config.event_type)
        methods = [self._trained(recipe, "all", self._config) for recipe in self._recipes]
        methods += self._rules(self._past, tuning, RULES.keys() | BY_POSITION)
        lists = [method for method in methods if method.name != RANKING and (method.recipe or method.name in FOR_KNOWN)]
        new = [
            method for method in methods if method.name != RANKING and (method.recipe or method.name in FOR_DISCOVERY)
        ]
        rankings = [method for method in methods if method.name == RANKING or not method.recipe]
        strangers = self._strangers(methods, parts, tuning)
        tasks = [
            self._task("next", lists, self._panel.active),
            self._task("discovery", new, pasts.discoveries(self._panel.active)),
            self._ranking(rankings),
            strangers,
        ]
        document: Document = {
            "language": self._plan.language,
            "data": files.summary(self._tables, self._config.event_type),
            "protocol": self._protocol(tuning),
            "training": [
                {"method": method.name, "seconds": round(method.seconds, 2), "cpuSeconds": round(method.cpu_seconds, 2)}
                for method in methods
                if method.recipe
            ],
            "tasks": [task for task in tasks if task["shoppers"]],
            "lists": self._lists(methods),
            "learning": self._learning(parts),
            "weights": self._weights(),
            "calibration": calibration,
        }
        return pages.with_codes(document | {"words": words.statements(document)})

    def _begin(self) -> dict[float, Past]:
        """Start every training, the longest first; return the pasts of fewer users that are enough to train on."""
        begin, whole = self._trainings.start, self._past.snapshot
        begin(PERSONAL, "all", whole, self._config)
        parts: dict[float, Past] = {}
        for share in reversed(CURVE):
            try:
                parts[share] = prepared(self._tables, thinned(self._past.split, share), self._config)
            except TrainingRefused:
                continue
        half = self._kept_out(parts)
        if half is not None:
            for recipe in (PERSONAL, *self._everybody):
                begin(recipe, f"{half}", parts[half].snapshot, self._config)
        for recipe in (RANKING, *(recipe for recipe in self._recipes if recipe not in {PERSONAL, RANKING})):
            begin(recipe, "all", whole, self._config)
        for name, past in ({f"{share}": past for share, past in parts.items()} | {"all": self._past}).items():
            begin(PERSONAL, name, past.snapshot, self._fast)
        return parts

    def _kept_out(self, parts: Mapping[float, Past]) -> float | None:
        """Return the share whose others stand for new users; None where there are enough new ones, or no such share."""
        return None if len(self._panel.cold) >= ENOUGH else max(parts, default=None)

    def _tuned(self) -> dict[str, Options]:
        """Return the parameters of each rule that are best before the test; the usual ones where that is too short."""
        with self._stage("choosing the parameters of the simple rules", 12):
            before = splitting.earlier(self._past.split, self._config.event_type)
            try:
                past = prepared(self._tables, before, self._config) if before else None
            except TrainingRefused:
                past = None
            if past is None:
                return {name: rule.usual for name, rule in self._rules_of.items()}
            users = pasts.drawn(past.active & past.split.tests.keys(), TUNED, self._plan.seed)
            questions = [past.question(user, past.split.tests[user]) for user in users]
            counts, tuned = Counts(past), {}
            for name, rule in self._rules_of.items():
                is_known = name in FOR_KNOWN
                some = questions if is_known else pasts.discoveries(questions)
                tuned[name] = comparison.tuned(rule, counts, some, self._plan.depth, new=not is_known)
            return tuned

    def _trained(self, recipe: str, name: str, config: TrainingConfig) -> Method:
        of_whom = "" if name == "all" else f" on {float(name):.0%} of the users"
        with self._stage(f"training {recipe}{of_whom}", 15 if recipe in {PERSONAL, RANKING} else 2):
            return comparison.of_model(recipe, *self._trainings.wait(recipe, name, config))

    def _rules(self, past: Past, tuning: Mapping[str, Options], names: Collection[str]) -> list[Method]:
        counts, chosen = Counts(past), {name: rule for name, rule in self._rules_of.items() if name in names}
        return [comparison.of_rule(name, rule, counts, tuning[name]) for name, rule in chosen.items()]

    def _task(self, name: str, methods: Sequence[Method], questions: Sequence[Question]) -> Document:
        answers: dict[str, list[Answer]] = {}
        for method in methods:
            weight = 4 if method.name == PERSONAL else 0.5
            with self._stage(f"asking {method.name}", weight):
                answers[method.name] = comparison.ask_all(method, questions, self._field.depth, new=name == "discovery")
        return self._figures(name, answers, questions)

    def _ranking(self, methods: Sequence[Method]) -> Document:
        items = set(self._sold)
        questions = [pasts.only(question, items) for question in self._panel.active if question.relevant & items]
        lists = comparison.lists_to_rank(questions, self._sold, self._plan.seed)
        answers: dict[str, list[Answer]] = {}
        for method in methods:
            with self._stage(f"ranking lists by {method.name}", 1):
                answers[method.name] = comparison.rank_all(method, questions, lists)
        return self._figures("ranking", answers, questions)

    def _lists(self, methods: Sequence[Method]) -> list[Document]:
        """Measure whether the lists of different items are different lists, beside those of plain cosine."""
        with self._stage("looking at the lists of items", 1):
            made = {method.name: method.model for method in methods if isinstance(method.model, ListModel)}
            return distinct_lists.measured(self._past, {name: made[name] for name in RELATED if name in made})

    def _strangers(
        self, methods: Sequence[Method], parts: Mapping[float, Past], tuning: Mapping[str, Options]
    ) -> Document:
        """Ask about users whom the models have never seen: those who came after the cut, else those kept out."""
        share = self._kept_out(parts)
        if share is None:
            lists = [method for method in methods if method.name in FOR_STRANGERS]
            return self._task("strangers", lists, self._panel.cold) | {"real": True}
        past = parts[share]
        made = [self._trained(recipe, f"{share}", self._config) for recipe in (PERSONAL, *self._everybody)]
        made += self._rules(past, tuning, FOR_STRANGERS)
        questions = [pasts.as_stranger(question) for question in self._panel.active if question.user not in past.active]
        return self._task("strangers", made, questions) | {"real": False}

    def _learning(self, parts: Mapping[float, Past]) -> list[Document]:
        """Ask models that learned from fewer users about the same ones; `times` compares NDCG with the model before."""
        questions, points, before = self._panel.active, list[Document](), list[Answer]()
        for share, past in [*sorted(parts.items()), (1.0, self._past)]:
            method = self._trained(PERSONAL, "all" if share == 1.0 else f"{share}", self._fast)
            with self._stage(f"asking the model of {share:.0%} of the users", 2):
                answers = comparison.ask_all(method, questions, self._field.depth, new=False)
            figures = comparison.figures({"": before or answers, "now": answers}, "", self._field)["now"]
            point = {"share": share, "shoppers": len(past.active)}
            points.append(point | {"ndcg": figures["ndcg"], "times": figures["times"]})
            before = answers
        return points

    def _weights(self) -> Document | None:
        """Measure what other types of events count for, where one is predicted."""
        if self._config.event_type is None:
            return None
        trial = weights.Trial(
            tables=self._tables,
            past=self._past,
            questions=self._panel.active,
            goal=self._config.event_type,
            events=self._plan.events,
            field=self._field,
            seed=self._plan.seed,
        )
        with self._stage("weighing the types of events", 8):
            return weights.measured(trial, self._trainings)

    def _figures(self, name: str, answers: dict[str, list[Answer]], questions: Sequence[Question]) -> Document:
        if not questions:
            return {"task": name, "shoppers": 0}
        taken = [question.relevant for question in questions]
        catalogue = set(self._past.snapshot.items.tolist())
        figures = comparison.figures(answers, POPULAR, self._field)
        best = max((rule for rule in self._rules_of if rule in figures), key=lambda rule: figures[rule]["ndcg"][0])
        first = next(iter(answers))
        pair = {best: answers[best], first: answers[first]}
        return {
            "task": name,
            "shoppers": len(questions),
            "items": round(sum(map(len, taken)) / len(taken), 2),
            "unknownItems": round(sum(len(items - catalogue) for items in taken) / sum(map(len, taken)), 4),
            "tailTaken": round(tail_share(taken, self._field.head), 4),
            "bestRule": best,
            "timesBestRule": comparison.figures(pair, best, self._field)[first]["times"],
            "methods": [{"method": method} | values for method, values in figures.items()],
        }

    def _protocol(self, tuning: Mapping[str, Options]) -> Document:
        given, panel = self._past.split, self._panel
        return {
            "eventType": self._config.event_type,
            "split": given.kind,
            "times": "positions" if given.positions else "times",
            "cut": None if given.positions else f"{datetime.fromtimestamp(given.cut, UTC):%Y-%m-%dT%H:%M:%SZ}",
            "days": None if given.positions else given.days,
            "trainingRows": len(self._past.rows),
            "knownShoppers": panel.active_users,
            "newShoppers": panel.cold_users,
            "asked": len(panel.active),
            "depth": self._plan.depth,
            "seed": self._plan.seed,
            "tier": self._plan.tier,
            "catalogue": self._field.catalogue,
            "rules": {
                "recentHalfLife": None if given.positions else tuning[LATELY][0],
                "ownHalfLife": tuning[NEWEST if given.positions else DECAYED][0],
                "blend": tuning[NEWEST if given.positions else DECAYED][1],
            },
        }
