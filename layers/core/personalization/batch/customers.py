# SPDX-License-Identifier: Apache-2.0
"""The analyst's file: of every customer, what they will probably buy within the horizon, by the counters of the fit."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from table_intake.wording import Text

from personalization.likelihood import answering, counters, features
from personalization.likelihood.counters import Item
from personalization.likelihood.model import Customers, Model, probability

JOB = "customers"
"""The job that every shop has, unless its settings give the name to another one."""
USER = "USER_ID"
CHANCE, PURCHASES, VALUE = "PROBABILITY", "EXPECTED_PURCHASES", "EXPECTED_VALUE"
CATEGORY, LAST, BEFORE, VERDICT = "BEST_CATEGORY", "LAST_PURCHASE", "PURCHASES", "MEANS_WHAT_IT_SAYS"
NUMBERS = (CHANCE, PURCHASES, VALUE)
OF_ITEM = f"{CHANCE}_"
"""The beginning of an item's column; its id follows."""
OLD = Text(
    "batch.fit-old",
    "the fit that serves is from before customers were predicted: the next run that promotes a release fits anew",
)
Row = Mapping[str, str | int | float | None]


def columns(model: Model, items: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of the file; without values or categories there are none for them."""
    value = (VALUE,) if model.customers is not None and model.customers.spending is not None else ()
    category = (CATEGORY,) if model.levels else ()
    return (USER, CHANCE, PURCHASES, *value, *category, LAST, BEFORE, VERDICT, *(f"{OF_ITEM}{item}" for item in items))


def rows(
    model: Model, customers: Customers, users: Mapping[str, Any], items: Mapping[str, Item], now: int
) -> Iterator[tuple[str, Row | None]]:
    """Yield each user and their row, None where they have no events.

    Args:
        users: stored counters by user. items: counters of the items whose probability the file has, too.
        now: epoch seconds.
    """
    time = answering.as_of(model, now)
    for name, entry in users.items():
        if not entry["pairs"]:
            yield name, None
            continue
        # Thousands of other items would take most of the time.
        pairs = {item: entry["pairs"][item] for item in items if item in entry["pairs"]}
        user = counters.user_from({**entry, "pairs": pairs}, model)
        values = features.of_customers(user.statistics_of_user(time))
        chance, purchases = customers.predict(values, model.horizon_days)
        row: dict[str, str | int | float | None] = {USER: name, CHANCE: chance, PURCHASES: purchases}
        if customers.spending is not None:
            row[VALUE] = purchases * customers.spending.of(*entry.get("value", (0.0, 0.0)))
        if model.levels:
            row[CATEGORY] = best_category(user.kinds[-1])
        last = int(user.user["last"])
        row |= {LAST: answering.iso(last)[:10] if last else None, BEFORE: int(user.user["days"])}
        row[VERDICT] = customers.verdict.answer
        logits = answering.count_logits(model, user, items, now).logits
        yield name, row | {f"{OF_ITEM}{item}": probability(logit) for item, logit in logits.items()}


def best_category(kinds: Mapping[str, Mapping[str, float]]) -> str | None:
    """Return the category of which a user has bought most lately: decayed counts, so that the past fades."""
    bought = {name: counts for name, counts in kinds.items() if counts["n"] > 0}
    if not bought:
        return None
    return min(bought, key=lambda name: (-bought[name]["d91"], -bought[name]["n"], name)).rstrip("|")


def judged(model: Model, customers: Customers) -> dict[str, Any]:
    """Return what the report says of the numbers: whether they mean what they say, and the test behind it."""
    return {
        "texts": model.texts,
        "horizonDays": model.horizon_days,
        "asOf": answering.iso(model.at),
        "fittedAt": model.fitted_at,
        "testedFrom": answering.iso(model.at - model.horizon_days * features.DAY),
        "verdict": asdict(customers.verdict),
        "itemsVerdict": asdict(model.known_verdict),
        "buyers": asdict(customers.buyers),
        "purchases": asdict(customers.purchases),
        "value": asdict(customers.value) if customers.value else None,
        "noValues": customers.no_values,
        "deciles": [asdict(decile) for decile in customers.deciles],
    }
