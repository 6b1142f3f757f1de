# SPDX-License-Identifier: Apache-2.0
"""The files that serving reads: the model, and the counters of every item and user at the end of the history."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from personalization.likelihood import customers, shards
from personalization.likelihood.features import DAY, ITEM, KIND, PAIR, RANK, USER
from personalization.likelihood.histories import Floats, Ints
from personalization.likelihood.model import Model
from personalization.likelihood.tables import Tables, item_weights
from personalization.likelihood.training import Fit


def model(table: Tables, fitted: Fit, run: str, fitted_at: str, horizon_days: int, event_type: str) -> Model:
    """Return the model of a fit, completed from the tables at the end of the history."""
    history = table.history
    numbers = sum(len(keys) for keys in table.kind_keys) * len(KIND) + len(table.keys) * len(PAIR)
    return Model(
        run=run,
        fitted_at=fitted_at,
        horizon_days=horizon_days,
        event_type=event_type,
        start=history.start,
        at=table.at,
        levels=history.levels,
        base_rate=fitted.calibrated.purchases / fitted.calibrated.weight.sum(),
        calibrated_from=fitted.calibrated_from,
        calibrated_to=fitted.calibrated_to,
        calibrated_pairs=round(float(fitted.calibrated.weight.sum())),
        calibrated_purchases=round(fitted.calibrated.purchases),
        seen=fitted.formulas.seen,
        other=fitted.formulas.other,
        stranger=fitted.formulas.stranger,
        described=fitted.formulas.described,
        known_verdict=fitted.known_verdict,
        stranger_verdict=fitted.stranger_verdict,
        customers=fitted.customers,
        shares=tuple(
            dict(zip(names, shards.rounded(share.tolist()), strict=True))
            for names, share in zip(history.kind_names, table.share, strict=True)
        ),
        lifts=_lifts(table),
        item_shards=shards.item_shard_count(len(history.items) * (len(ITEM) + RANK)),
        shopper_shards=shards.shard_count(round(numbers * history.scale), shards.USER_SHARD_SIZE),
    )


def _lifts(table: Tables) -> dict[str, dict[str, dict[str, float]]]:
    history = table.history
    kinds = history.kind_names[-1] if history.levels else ()
    return {
        column: {
            value: dict(zip(kinds, shards.rounded(np.round(lift[number], 4).tolist()), strict=True))
            for number, value in enumerate(history.group_names[column])
        }
        for column, lift in table.lifts.items()
    }


def items(table: Tables, file_count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each item and its entry, in the order of `file_count` files."""
    history = table.history
    counts = np.stack([table.served[name] for name in ITEM], 1)
    weights = item_weights(table.item["buyers"])
    for position in shards.order(history.items, file_count):
        codes = [level[position] for level in history.kinds]
        kinds = ["" if code < 0 else names[code] for code, names in zip(codes, history.kind_names, strict=True)]
        yield (
            history.items[position],
            {
                "counts": shards.rounded(counts[position].tolist()),
                "kinds": kinds,
                "vector": shards.rounded(table.vectors[position].tolist()),
                "weight": shards.rounded([float(weights[position])])[0],
            },
        )


def users(table: Tables, file_count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each user with events or attributes and their entry, in the order of `file_count` files."""
    history = table.history
    user_counts = _stacked(table, table.user, USER)
    who, what = np.divmod(table.keys, max(len(history.items), 1))
    value = np.log1p(2.0 * table.pair["d91"]) * item_weights(table.item["buyers"])[what]
    length = np.bincount(who, value * value, len(history.users))
    pairs = _by_user(table, table.keys, _stacked(table, table.pair, PAIR), history.items)
    kinds = [
        _by_user(table, table.kind_keys[level], _stacked(table, table.kind[level], KIND), names)
        for level, names in enumerate(history.kind_names)
    ]
    valued, total, _ = customers.days_of(history).sums(len(history.users))
    for user_code in shards.order(history.users, file_count):
        bought = pairs(user_code)
        groups = {
            column: history.group_names[column][values[user_code]]
            for column, values in history.groups.items()
            if values[user_code] >= 0
        }
        if not bought and not groups:
            continue
        yield (
            history.users[user_code],
            {
                "user": shards.rounded(user_counts[user_code].tolist()),
                "pairs": bought,
                "kinds": [level(user_code) for level in kinds],
                "groups": groups,
                "vector": shards.rounded(table.user_vectors[user_code].tolist()),
                "length": float(length[user_code]),
                **({"value": shards.rounded([valued[user_code], total[user_code]])} if valued[user_code] else {}),
            },
        )


def _by_user(table: Tables, keys: Ints, rows: Floats, names: Sequence[str]) -> Callable[[int], dict[str, list[float]]]:
    """Return the function that gives a user's rows by name; keys are `user * names + name`, ascending."""
    who, code = np.divmod(keys, max(len(names), 1))
    places = np.searchsorted(who, np.arange(len(table.history.users) + 1))

    def of(user: int) -> dict[str, list[float]]:
        inside = slice(places[user], places[user + 1])
        counts_by_code = zip(code[inside].tolist(), rows[inside].tolist(), strict=True)
        return {names[name]: shards.rounded(row) for name, row in counts_by_code}

    return of


def _stacked(table: Tables, columns: Mapping[str, Floats], names: Sequence[str]) -> Floats:
    """Return columns side by side, ages as epoch seconds: serving computes the age at request time."""
    bought = columns["n"] > 0
    parts = [
        np.where(bought, np.round(table.at - columns[name] * DAY), 0.0) if name in {"first", "last"} else columns[name]
        for name in names
    ]
    return np.stack(parts, 1)
