# SPDX-License-Identifier: Apache-2.0
"""The protocols that quality is measured by: which rows train, what a recipe is told, what it has to foretell.

All of them: item ids drawn at random, all items ranked, ties against the one that is measured, one seed.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from personalize_local.data.frames import pl
from personalize_local.data.records import Interaction
from personalize_local.recipes.config import TrainingConfig

from benchmarks.questions.cases import Case
from local.evaluation import splitting
from local.evaluation.files import Tables
from local.evaluation.pasts import Past, Question, prepared
from local.evaluation.splitting import DAY, Split

NAME = "the past"
SEED = 7
SAMPLE = 4_000
"""Shoppers who are asked, where there are more."""
WEEKS = 26
"""Weekly origins of the cold users."""
DRAWS, REMOVED = 3, 0.1
"""How often cold items are drawn, and the share of all items that they are."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """How quality is measured on one data set."""

    data: str
    title: str
    description: str
    cases: Callable[[Tables], Iterator[Case]]
    cold: bool = False
    """Shoppers or items without a past: only lists for everybody and User-Personalization have an answer."""


def judged(given: Tables) -> Iterator[Case]:
    """All but each shopper's last interaction trains."""
    split = splitting.by_last(given.interactions, None, 0)
    past = prepared(given, split, TrainingConfig())
    yield Case(NAME, past, _questions(past, split.tests), "new")


def published(given: Tables) -> Iterator[Case]:
    """All but the last two trains; the last but one is shown to the recipe as history, the last is asked for."""
    last = splitting.by_last(given.interactions, None, 0)
    before = splitting.by_last(last.training.filter(pl.col("USER_ID").is_in(list(last.tests))), None, 0, baskets=2)
    others = last.training.filter(~pl.col("USER_ID").is_in(list(before.tests)))
    split = Split("last", pl.concat([before.training, others]), last.tests, before.cut, 0)
    past = prepared(given, split, TrainingConfig())
    newest = dict(last.training.group_by("USER_ID").agg(pl.col("TIMESTAMP").max()).iter_rows())
    shown = [
        _told(question, before.tests[question.user], newest[question.user]) for question in _questions(past, last.tests)
    ]
    yield Case(NAME, past, shown, "new")


def baskets(given: Tables) -> Iterator[Case]:
    """All but the last basket of each shopper with three trains; repeats are allowed."""
    split = splitting.by_last(splitting.of_type(given.interactions, "Purchase"), None, 0)
    past = prepared(given, split, TrainingConfig())
    yield Case(NAME, past, _questions(past, split.tests))


def weeks(given: Tables) -> Iterator[Case]:
    """Purchases up to four weeks before the end train; each known shopper's first basket after that is asked for."""
    rows = splitting.of_type(given.interactions, "Purchase")
    split = splitting.by_time(rows, None, _last(rows), 28)
    past = prepared(given, split, TrainingConfig())
    tests = {user: items for user, items in split.tests.items() if user in past.active}
    yield Case(NAME, past, _questions(past, tests))


def rest(given: Tables) -> Iterator[Case]:
    """Of each shopper's last basket one item does not train; while the basket is filled, it is asked for."""
    rows = splitting.of_type(given.interactions, "Purchase").sort("USER_ID", "TIMESTAMP", "ITEM_ID")
    newest = pl.col("TIMESTAMP") == pl.col("TIMESTAMP").max().over("USER_ID")
    drawn = rows.filter(newest).sample(fraction=1.0, shuffle=True, seed=SEED).unique("USER_ID", keep="first")
    training = rows.join(drawn, on=["USER_ID", "TIMESTAMP", "ITEM_ID"], how="anti")
    ends = dict(training.group_by("USER_ID").agg(pl.col("TIMESTAMP").max()).iter_rows())
    tests = {user: frozenset({item}) for user, item, end in drawn.select("USER_ID", "ITEM_ID", "TIMESTAMP").iter_rows()
             if ends.get(user) == end}  # fmt: skip
    past = prepared(given, Split("last", training, tests, _last(training), 0), TrainingConfig())
    questions = [question for question in _questions(past, tests) if not question.relevant & question.seen]
    filling = [
        replace(question, query=replace(question.query, now=float(ends[question.user]))) for question in questions
    ]
    yield Case(NAME, past, filling, "new")


def strangers(given: Tables) -> Iterator[Case]:
    """Before each of the last 26 weeks a training; the first baskets of those who come for the first time in it."""
    rows = splitting.of_type(given.interactions, "Purchase")
    for week in range(WEEKS, 0, -1):
        end = _last(rows) - (week - 1) * 7 * DAY
        split = splitting.by_time(rows.filter(pl.col("TIMESTAMP") <= end), None, end, 7)
        past = prepared(given, split, TrainingConfig())
        cold = {user: items for user, items in split.tests.items() if user not in past.active}
        yield Case(NAME, past, _questions(past, cold))


def unseen(given: Tables) -> Iterator[Case]:
    """A tenth of the items never train; who took one of them last is asked to find it among those alone."""
    split = splitting.by_last(given.interactions, None, 0)
    items = sorted(given.interactions["ITEM_ID"].unique())
    before = {user: frozenset(items) for user, items in split.training.group_by("USER_ID").agg("ITEM_ID").iter_rows()}
    for draw in range(DRAWS):
        cold = frozenset(random.Random(SEED + draw).sample(items, round(REMOVED * len(items))))
        training = split.training.filter(~pl.col("ITEM_ID").is_in(list(cold)))
        past = prepared(given, replace(split, training=training), TrainingConfig())
        tests = {user: last for user, last in split.tests.items() if last <= cold}
        questions = [replace(question, seen=before[question.user]) for question in _questions(past, tests)]
        yield Case(NAME, past, questions, cold)


PROTOCOLS: Mapping[str, Protocol] = {
    "demo-basket": Protocol(
        "demo", "Next basket, the demo's households",
        "purchases; each household's last basket (all rows of its last timestamp), households with three or more; "
        "everything before trains; repeats allowed; recall over the basket's size",
        baskets,
    ),
    "demo-rest": Protocol(
        "demo", "The rest of a basket, the demo's households",
        "purchases; of each household's last basket one item, drawn at random, does not train and is asked for while "
        "the rest of the basket is the newest of its history; history left out; households for whom it is new", rest,
    ),
    "beauty-judged": Protocol(
        "amazon-beauty", "Amazon Beauty, last interaction",
        "leave-one-out: all but each user's last interaction trains, users with three or more, history left out",
        judged,
    ),
    "beauty-published": Protocol(
        "amazon-beauty", "Amazon Beauty, as published",
        "fitted on all but the last two; the last but one only shown as history; the last asked for; history left out",
        published,
    ),
    "beauty-cold": Protocol(
        "amazon-beauty", "New items, Amazon Beauty",
        "leave-one-out; a tenth of the items, drawn three times, is removed from training; users whose last item is "
        "one of them, ranked among those alone",
        unseen,
        cold=True,
    ),
    "journey-basket": Protocol(
        "completejourney-dev", "Next basket, Complete Journey",
        "as the demo's, on the households without demographics", baskets,
    ),
    "retail-basket": Protocol(
        "online-retail", "Next basket, Online Retail",
        "purchases up to 28 days before the end train; each known customer's first basket after that; no events fed",
        weeks,
    ),
    "retail-rest": Protocol(
        "online-retail", "The rest of a basket, Online Retail",
        "as the demo's", rest,
    ),
    "retail-cold": Protocol(
        "online-retail", "New customers, Online Retail",
        "26 weekly origins, trained before each; first baskets of customers who come for the first time", strangers,
        cold=True,
    ),
}  # fmt: skip


def _questions(past: Past, tests: Mapping[str, frozenset[str]]) -> list[Question]:
    users = sorted(tests)
    random.Random(SEED).shuffle(users)
    return [past.question(user, tests[user]) for user in users[:SAMPLE]]


def _told(question: Question, items: frozenset[str], moment: float) -> Question:
    more = [*question.query.history, *(Interaction(item, moment) for item in sorted(items))]
    query = replace(question.query, history=more, item_id=more[-1].item_id)
    return replace(question, query=query, seen=question.seen | items)


def _last(rows: pl.DataFrame) -> int:
    return int(rows["TIMESTAMP"].max())  # type: ignore[arg-type]
