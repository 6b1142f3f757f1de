# SPDX-License-Identifier: Apache-2.0
"""A shard: the history of its users, their sample, and how samples of all shards become one history."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from personalization.likelihood.histories import (
    EVENT_COLUMNS,
    MOST_COLUMNS,
    MOST_VALUES,
    NO_VALUE,
    Codes,
    Events,
    Flags,
    History,
    Ints,
    Values,
    coded_columns,
    deduplicated,
    valued,
)
from personalization.likelihood.sharded import arrays
from personalization.likelihood.sharded.scope import Scope, is_sampled

_ZERO = np.zeros(0, dtype=np.int32)
_NONE = Events(
    users=[],
    items=[],
    user=_ZERO,
    item=_ZERO,
    time=_ZERO,
    bought=np.zeros(0, dtype=bool),
    value=np.zeros(0, dtype=np.float32),
)
_PRICE = "price"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All items of the shop, numbered, with their categories as in `History`, and their prices or NO_VALUE."""

    items: Sequence[str]
    kinds: Sequence[Ints]
    kind_names: Sequence[Sequence[str]]
    price_of: Values

    def pack(self) -> bytes:
        """Return the catalogue as it is stored."""
        kinds = {f"kind{level}": codes for level, codes in enumerate(self.kinds)}
        names = {f"names{level}": level_names for level, level_names in enumerate(self.kind_names)}
        return arrays.pack({**kinds, _PRICE: self.price_of}, {"items": self.items, **names})


def catalogue_of(data: bytes) -> Catalogue:
    """Return a stored catalogue."""
    kinds, texts = arrays.unpack(data)
    price_of = kinds.pop(_PRICE)
    levels = range(len(kinds))
    return Catalogue(
        texts["items"], [kinds[f"kind{n}"] for n in levels], [texts[f"names{n}"] for n in levels], price_of
    )


def history(
    segments: Iterable[Events], attributes: Mapping[str, Mapping[str, str]], catalogue: Catalogue, scope: Scope
) -> tuple[History, dict[str, list[str]]]:
    """Return the history of a shard's users, and some of the values of each column of users, for `agreed`.

    Its groups are all columns with few values in this shard.

    Args:
        segments: its rows, in the order of the files. attributes: of its users, by user.
    """
    users, number = Codes(), {name: index for index, name in enumerate(catalogue.items)}
    parts: list[Events] = []
    for segment in segments:
        user = np.array([users[name] for name in segment.users], dtype=np.int32)
        item = np.array([number[name] for name in segment.items], dtype=np.int32)
        inside = segment.within(scope.since, scope.end)
        parts.append(replace(inside, user=user[inside.user], item=item[inside.item]))
    for name in attributes:
        users.setdefault(name, len(users))
    columns = [np.concatenate([getattr(part, name) for part in [_NONE, *parts]]) for name in EVENT_COLUMNS]
    del parts
    of_user, of_item, times, bought, value = deduplicated(Events([], [], *columns))
    narrow = {
        name: {key: value for key, value in user_values.items() if key not in scope.wide}
        for name, user_values in attributes.items()
    }
    groups: dict[str, Ints] = {}
    values: dict[str, list[str]] = {}
    for name, (codes, column_values) in coded_columns(users, narrow):
        values[name] = column_values[: MOST_VALUES + 1]
        if len(column_values) <= MOST_VALUES:
            groups[name] = codes
    built = History(
        users=list(users),
        items=catalogue.items,
        user=of_user,
        item=of_item,
        time=times,
        bought=bought,
        kinds=catalogue.kinds,
        kind_names=catalogue.kind_names,
        groups=groups,
        group_names={name: values[name] for name in groups},
        span=(scope.start, scope.end),
        value=valued(value, of_item, bought, catalogue.price_of),
    )
    return built, values


def sample(history: History, rate: float) -> History:
    """Return all events of the sampled users."""
    return _of_users(history, np.array([is_sampled(name, rate) for name in history.users], dtype=bool))


def watched(history: History, users: Iterable[str]) -> History:
    """Return all events of some users."""
    wanted = set(users)
    return _of_users(history, np.array([name in wanted for name in history.users], dtype=bool))


def _of_users(history: History, chosen: Flags) -> History:
    number = np.cumsum(chosen) - 1
    rows = chosen[history.user]
    return replace(
        history,
        users=[name for name, is_chosen in zip(history.users, chosen.tolist(), strict=True) if is_chosen],
        user=number[history.user[rows]],
        item=history.item[rows],
        time=history.time[rows],
        bought=history.bought[rows],
        value=None if history.value is None else history.value[rows],
        groups={name: codes[chosen] for name, codes in history.groups.items()},
    )


def pack(history: History) -> bytes:
    """Return a history as it is stored, without the catalogue."""
    narrow = {"user": np.int32, "item": np.int32, "time": np.int64, "bought": np.bool_}
    columns = {name: getattr(history, name).astype(kind) for name, kind in narrow.items()}
    if history.value is not None:
        columns["value"] = history.value
    groups = {f"group:{name}": codes.astype(np.int8) for name, codes in history.groups.items()}
    names = {f"values:{name}": values for name, values in history.group_names.items()}
    return arrays.pack(columns | groups, {"users": history.users, **names})


def unpack(data: bytes, catalogue: Catalogue, scope: Scope) -> History:
    """Return a stored history."""
    columns, texts = arrays.unpack(data)
    groups = {name: columns[f"group:{name}"].astype(np.int64) for name in _after("group:", columns)}
    return History(
        users=texts["users"],
        items=catalogue.items,
        user=columns["user"].astype(np.int64),
        item=columns["item"].astype(np.int64),
        time=columns["time"].astype(np.int64),
        bought=columns["bought"],
        kinds=catalogue.kinds,
        kind_names=catalogue.kind_names,
        groups=groups,
        group_names={name: texts[f"values:{name}"] for name in groups},
        span=(scope.start, scope.end),
        value=columns.get("value"),
    )


def _after(prefix: str, names: Iterable[str]) -> list[str]:
    return [name.removeprefix(prefix) for name in names if name.startswith(prefix)]


def agreed(values: Iterable[Mapping[str, Sequence[str]]]) -> dict[str, list[str]]:
    """Return the columns of users that are groups, and their values in all shards, from those of each shard."""
    union: dict[str, Codes] = {}
    shards = list(values)
    for shard in shards:
        for name, shard_values in shard.items():
            codes = union.setdefault(name, Codes())
            for value in shard_values:
                codes[value]
    fitting = [name for name in sorted(union) if 1 < len(union[name]) <= MOST_VALUES]
    return {name: list(union[name]) for name in fitting[:MOST_COLUMNS]}


def in_groups(history: History, agreed: Mapping[str, Sequence[str]]) -> History:
    """Return a history whose groups are the agreed ones."""
    groups = {}
    for name, values in agreed.items():
        number = {value: index for index, value in enumerate(values)}
        agreed_number = np.array([*(number[value] for value in history.group_names.get(name, ())), -1], dtype=np.int64)
        groups[name] = agreed_number[history.groups.get(name, np.full(len(history.users), -1, dtype=np.int64))]
    return replace(history, groups=groups, group_names={name: list(values) for name, values in agreed.items()})


def joined(histories: Sequence[History], scale: float = 1.0) -> History:
    """Return the histories of different users with the same groups as one; each user represents `scale` users."""
    offsets = np.cumsum([0, *(len(history.users) for history in histories)])
    return replace(
        histories[0],
        users=[name for history in histories for name in history.users],
        user=np.concatenate([history.user + offset for history, offset in zip(histories, offsets, strict=False)]),
        item=np.concatenate([history.item for history in histories]),
        time=np.concatenate([history.time for history in histories]),
        bought=np.concatenate([history.bought for history in histories]),
        value=_joined_values(histories),
        groups={name: np.concatenate([history.groups[name] for history in histories]) for name in histories[0].groups},
        scale=scale,
    )


def _joined_values(histories: Sequence[History]) -> Values | None:
    """Return the values of all histories' events; one without values has NO_VALUE for each."""
    if all(history.value is None for history in histories):
        return None
    return np.concatenate(
        [
            np.full(len(history.time), NO_VALUE, dtype=np.float32) if history.value is None else history.value
            for history in histories
        ]
    )
