# SPDX-License-Identifier: Apache-2.0
"""Planted worlds: small shops with one property each, drawn from a seed, so that it is known what can be told.

Each returns tables as the files of a shop would give them. Interactions, users and items stay small: the standard tier
trains in seconds.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from personalize_local.data.frames import pl
from personalize_local.data.schemas import DatasetType, Field, Schema
from table_intake import DataKind

from local.evaluation.files import Tables

BEGIN = 1_600_000_000
HOUR, DAY = 3_600, 86_400
Random = np.random.Generator
Array = npt.NDArray[Any]
Events = list[tuple[int, int, int]]
"""(user, item, second) of each interaction."""


def repeats(random: Random) -> Tables:
    """Users buy their dozen staples again, each at an interval of its own, and now and then something popular."""
    users, items, span = 800, 400, 180
    popular = _zipf(items)
    rows: Events = []
    for user in range(users):
        staples = random.choice(items, 12, replace=False, p=popular)
        interval = random.lognormal(np.log(14), 0.6, 12)
        last = -random.random(12) * interval
        days = np.cumsum(random.integers(4, 11, span // 4))
        for day in days[days < span].tolist():
            due = random.random(12) < np.minimum((day - last) / interval, 1.5) / 1.5
            last[due] = day
            bought = {*staples[due].tolist(), *random.choice(items, random.poisson(0.4), p=popular).tolist()}
            second = int(day * DAY + random.integers(8, 20) * HOUR + random.integers(HOUR))
            rows += [(user, item, second) for item in sorted(bought)]
    return _tables(random, rows, items)


def drift(random: Random) -> Tables:
    """What sells changes from week to week, for each of five kinds of users in its own way."""
    users, items, weeks, kinds = 800, 500, 26, 5
    of_user = random.integers(kinds, size=users)
    appeal = random.normal(0, 1.5, (kinds, items))
    rows: Events = []
    for week in range(weeks):
        appeal = 0.85 * appeal + random.normal(0, 0.8, (kinds, items))
        chance = _softmax(appeal)
        for user in np.flatnonzero(random.random(users) < 0.6).tolist():
            bought = random.choice(items, random.integers(1, 5), replace=False, p=chance[of_user[user]])
            second = week * 7 * DAY + int(random.integers(7 * DAY))
            rows += [(user, item, second) for item in bought.tolist()]
    return _tables(random, rows, items)


def bursts(random: Random) -> Tables:
    """Two weeks of clicks with days and nights; single items are clicked twenty times as often for some hours."""
    users, items, hours = 3_000, 400, 14 * 24
    base = 160 * _zipf(items)
    heat = np.zeros(items)
    rows: Events = []
    for hour in range(hours):
        heat *= 0.5 ** (1 / 3)
        heat[random.integers(items, size=random.poisson(0.7))] = random.uniform(4, 20)
        light = 1.0 + 0.7 * np.sin(2 * np.pi * (hour - 9) / 24)
        clicks = np.repeat(np.arange(items), random.poisson(light * (base + 0.6 * heat)))
        seconds = hour * HOUR + random.integers(HOUR, size=len(clicks))
        rows += list(
            zip(random.integers(users, size=len(clicks)).tolist(), clicks.tolist(), seconds.tolist(), strict=True)
        )
    return _tables(random, rows, items, event="Click")


def positions(random: Random) -> Tables:
    """Chains, in which each item has three usual successors; TIMESTAMP counts a user's steps and is no time."""
    users, items = 1_500, 300
    follow = random.integers(items, size=(items, 3))
    popular = _zipf(items)
    rows: Events = []
    for user in range(users):
        item = int(random.choice(items, p=popular))
        for step in range(int(random.integers(4, 25))):
            rows.append((user, item, step * DAY))
            usual = random.random() < 0.6
            item = int(follow[item, random.choice(3, p=(0.6, 0.3, 0.1))] if usual else random.choice(items, p=popular))
    return _tables(random, rows, items, positions=True)


def dense(random: Random) -> Tables:
    """Six hundred users with a taste of sixteen dimensions, each with a hundred of four hundred items, once each."""
    users, items, length = 600, 400, 100
    taste, kind = random.normal(size=(users, 16)), random.normal(size=(items, 16))
    appeal = 0.6 * taste @ kind.T + random.normal(0, 1.0, items)
    order = np.argsort(-(appeal + random.gumbel(size=appeal.shape)), axis=1)[:, :length]
    rows: Events = []
    for user in range(users):
        seconds = np.sort(random.integers(100 * DAY, size=length))
        rows += zip([user] * length, random.permutation(order[user]).tolist(), seconds.tolist(), strict=True)
    return _tables(random, rows, items)


def long_tail(random: Random) -> Tables:
    """Four thousand items in eighty categories; short histories, each in three of the categories."""
    users, items, kinds = 2_500, 4_000, 80
    category = random.integers(kinds, size=items)
    popular = _zipf(items)[random.permutation(items)]
    of_kind = [np.flatnonzero(category == kind) for kind in range(kinds)]
    rows: Events = []
    for user in range(users):
        liked = random.choice(kinds, 3, replace=False)
        seconds = np.sort(random.integers(200 * DAY, size=random.integers(4, 14)))
        for second in seconds.tolist():
            among = of_kind[random.choice(liked)] if random.random() < 0.85 else np.arange(items)
            rows.append((user, int(random.choice(among, p=popular[among] / popular[among].sum())), second))
    return _tables(random, rows, items, item_columns={"CATEGORY": [f"c{kind}" for kind in category]})


def seasonal(random: Random) -> Tables:
    """Two and a quarter years, in which each item sells around its own time of the year."""
    users, items, span = 700, 300, 820
    peak, popular = random.uniform(0, 365, items), _zipf(items, 0.6)
    strength = random.choice((0.0, 3.0), items, p=(0.3, 0.7))
    rows: Events = []
    for day in range(span):
        chance = popular * np.exp(strength * (np.cos(2 * np.pi * (day - peak) / 365) - 1))
        for user in random.choice(users, random.poisson(28), replace=False).tolist():
            bought = random.choice(items, 2, replace=False, p=chance / chance.sum())
            second = day * DAY + int(random.integers(DAY))
            rows += [(user, item, second) for item in bought.tolist()]
    return _tables(random, rows, items)


def few_users(random: Random) -> Tables:
    """Sixty users with sixty interactions each."""
    users, items = 60, 120
    taste = random.normal(size=(users, 4)) @ random.normal(size=(4, items))
    chance = _softmax(1.2 * taste + np.log(_zipf(items)))
    rows: Events = []
    for user in range(users):
        for second in np.sort(random.integers(120 * DAY, size=30)).tolist():
            rows += [(user, item, second) for item in random.choice(items, 2, replace=False, p=chance[user]).tolist()]
    return _tables(random, rows, items)


def one_day(random: Random) -> Tables:
    """Clicks of one day: short sessions that follow usual paths, among items of which some are hot for an hour."""
    users, items = 3_000, 300
    follow = random.integers(items, size=(items, 4))
    popular = _zipf(items)
    hot = random.integers(items, size=48)
    rows: Events = []
    for user in range(users):
        for begin in random.integers(23 * HOUR, size=random.integers(1, 4)).tolist():
            item, second = int(random.choice(items, p=popular)), begin
            for _ in range(int(random.integers(3, 12))):
                rows.append((user, item, second))
                second += int(random.exponential(60)) + 1
                way = random.random()
                item = int(
                    hot[second // 1_800] if way < 0.15
                    else follow[item, random.integers(4)] if way < 0.65
                    else random.choice(items, p=popular)
                )  # fmt: skip
    return _tables(random, rows, items, event="Click")


def films(random: Random) -> Tables:
    """Films, rated in one or two sittings; each is like the one before it, by genre and year, as if from a list."""
    users, items, genres, dimensions = 1_200, 1_500, 18, 12
    genre, year = random.integers(genres, size=items), random.integers(1940, 2000, items)
    kind = 0.7 * (random.normal(size=(genres, dimensions))[genre] + random.normal(size=(items, dimensions)))
    appeal = 0.35 * random.normal(size=(users, dimensions)) @ kind.T + np.log(_zipf(items, 0.9))
    rows: Events = []
    for user in range(users):
        second, taste, film = int(random.integers(300 * DAY)), appeal[user], -1
        for _ in range(int(np.clip(random.lognormal(4.1, 0.8), 20, 400))):
            near = 0.0 if film < 0 else 1.2 * (genre == genre[film]) - 0.03 * np.abs(year - year[film])
            film = int(np.argmax(taste + near + random.gumbel(size=items)))
            taste[film] = -np.inf
            second += int(random.integers(60)) * (random.random() < 0.55)
            second += int(random.integers(1, 60)) * DAY * (random.random() < 0.004)
            rows.append((user, film, second))
    return _tables(random, rows, items, item_columns={"GENRE": [f"g{n}" for n in genre]})


def sessions(random: Random) -> Tables:
    """Ten days of clicks of users with one session each: a usual follower, the same category, again, or what sells."""
    users, items, kinds, days = 10_000, 2_000, 40, 10
    follow, category = random.integers(items, size=(items, 4)), random.integers(kinds, size=items)
    chance = _softmax(np.log(_zipf(items, 0.9)) + random.normal(0, 0.8, (days, items)))
    of_kind = [np.flatnonzero(category == kind) for kind in range(kinds)]
    rows: Events = []
    for user, begin in enumerate(random.integers(days * DAY, size=users).tolist()):
        second, today = begin, chance[begin // DAY]
        item = int(random.choice(items, p=today))
        for _ in range(2 + int(random.geometric(0.3))):
            rows.append((user, item, second))
            second += int(random.integers(5, 180))
            way = random.random()
            if way < 0.35:
                item = int(follow[item, random.choice(4, p=(0.5, 0.25, 0.15, 0.1))])
            elif way < 0.65:
                among = of_kind[category[item]]
                item = int(random.choice(among, p=today[among] / today[among].sum()))
            elif way < 0.9:
                item = int(random.choice(items, p=today))
    columns = {"CATEGORY": [f"c{kind}" for kind in category]}
    return _tables(random, rows, items, event="Click", item_columns=columns)


def demographics(random: Random) -> Tables:
    """Age, children and place of users; the first two decide much of what is bought, by category and by item.

    New users come all the time, and a user buys seldom, so that what they took tells less than who they are.
    """
    users, items, kinds, span = 2_400, 300, 30, 150
    age, kids, town = (random.integers(most, size=users) for most in (5, 3, 12))
    category = random.integers(kinds, size=items)
    of_kind = random.normal(0, 0.8, (5, 1, kinds)) + random.normal(0, 0.8, (1, 3, kinds))
    of_item = random.normal(0, 0.4, (5, 1, items)) + random.normal(0, 0.4, (1, 3, items))
    chance = _softmax(np.log(_zipf(items)) + of_kind[..., category] + of_item)
    rows: Events = []
    for user in range(users):
        second = int(random.integers(span * DAY))
        while second < span * DAY:
            bought = random.choice(items, random.integers(1, 4), replace=False, p=chance[age[user], kids[user]])
            rows += [(user, item, second) for item in bought.tolist()]
            second += int(random.exponential(12 * DAY)) + HOUR
    columns = {"AGE": [f"a{n}" for n in age], "KIDS": [f"k{n}" for n in kids], "PLACE": [f"p{n}" for n in town]}
    kind = {"CATEGORY_L1": [f"c{n}" for n in category]}
    return _tables(random, rows, items, user_columns=columns, item_columns=kind)


def kinds(random: Random) -> Tables:
    """After any item of a kind comes any item of the next: between two items there is little to count, and only a
    network learns an order of kinds."""
    users, items, every = 600, 300, 10
    rows: Events = []
    for user in range(users):
        kind, begin = int(random.integers(every)), int(random.integers(2_000 * DAY))
        for step in range(int(random.integers(4, 9))):
            rows.append((user, int(random.integers(items // every)) * every + kind, begin + step * DAY))
            kind = (kind + 1) % every if random.random() < 0.9 else int(random.integers(every))
    return _tables(random, rows, items, item_columns={"KIND": [f"kind-{item % every}" for item in range(items)]})


def complements(random: Random) -> Tables:
    """Needs of four parts, of which a basket has some; a part is one of three substitutes, to which users are loyal.

    Nearly every basket has a bag, and staples that everybody takes: they belong to no need.
    """
    users, needs, parts, brands, staples = 1_500, 60, 4, 3, 20
    bag, first = 0, 1 + staples
    popular, wanted = _zipf(staples, 0.5), _zipf(needs, 0.8)
    loyal = random.integers(brands, size=(users, needs, parts))
    rows: Events = []
    for user in range(users):
        for day in np.sort(random.integers(200, size=random.integers(3, 12))).tolist():
            second = day * DAY + int(random.integers(DAY))
            need = int(random.choice(needs, p=wanted))
            chosen = random.choice(parts, random.integers(2, parts + 1), replace=False).tolist()
            bought = {first + (need * parts + part) * brands + int(loyal[user, need, part]) for part in chosen}
            bought |= {
                1 + int(item) for item in random.choice(staples, random.integers(1, 4), replace=False, p=popular)
            }
            bought |= {bag} if random.random() < 0.9 else set()
            rows += [(user, item, second) for item in sorted(bought)]
    kinds = ["bag", *(["staple"] * staples), *(f"p{n // brands}" for n in range(needs * parts * brands))]
    return _tables(random, rows, len(kinds), item_columns={"CATEGORY": kinds})


def actions(random: Random) -> Tables:
    """Eight actions offered to users with two columns that say something and one that says nothing.

    Items are actions; the event types are TAKEN and NOT_TAKEN.
    """
    users, count, offers = 2_000, 8, 14
    kind, age, town = (random.integers(most, size=users) for most in (4, 5, 15))
    odds = random.normal(-0.8, 0.9, count) + random.normal(0, 0.7, users)[:, None]
    odds = odds + random.normal(0, 0.7, (4, count))[kind] + random.normal(0, 0.4, (5, count))[age]
    user = np.repeat(np.arange(users), offers)
    action = random.integers(count, size=len(user))
    seconds = random.integers(42 * DAY, size=len(user))
    took = random.random(len(user)) < 1 / (1 + np.exp(-odds[user, action]))
    rows = list(zip(user.tolist(), action.tolist(), seconds.tolist(), strict=True))
    columns = {"SEGMENT": [f"s{n}" for n in kind], "AGE": [f"a{n}" for n in age], "PLACE": [f"p{n}" for n in town]}
    types = ["TAKEN" if taken else "NOT_TAKEN" for taken in took.tolist()]
    return _tables(random, rows, count, event=types, user_columns=columns)


def shortlist(random: Random) -> Tables:
    """Users look at items of one kind for some visits, buy one that they looked at, and go on to another kind.

    What they bought says little of what they buy next; what they look at says nearly all.
    """
    users, items, kinds, span = 1_500, 400, 40, 60
    kind, popular = random.integers(kinds, size=items), _zipf(items, 0.6)
    of_kind = [np.flatnonzero(kind == number) for number in range(kinds)]
    of_kind = [among for among in of_kind if len(among) > 2]
    rows, types = list[tuple[int, int, int]](), list[str]()
    for user in range(users):
        second = int(random.integers(5 * DAY))
        while second < span * DAY:
            among = of_kind[random.integers(len(of_kind))]
            liked = popular[among] * random.gamma(0.5, size=len(among))
            for _ in range(int(random.integers(1, 4))):
                seen = random.choice(among, random.integers(2, 6), p=liked / liked.sum()).tolist()
                rows += [(user, item, second + 60 * step) for step, item in enumerate(seen)]
                types += ["View"] * len(seen)
                second += int(random.exponential(4 * DAY)) + HOUR
            rows.append((user, int(random.choice(among, p=liked / liked.sum())), second))
            types.append("Purchase")
            second += int(random.exponential(6 * DAY)) + HOUR
    within = [number for number, (_, _, second) in enumerate(rows) if second < span * DAY]
    return _tables(random, [rows[number] for number in within], items, event=[types[number] for number in within])


def teasers(random: Random) -> Tables:
    """Everybody clicks what is shown large, which nobody buys; purchases follow a taste that clicks say nothing of."""
    users, items, kinds, span, shown = 1_500, 400, 12, 60, 100
    kind, popular = random.integers(kinds, size=items), _zipf(items, 0.8)[random.permutation(items)]
    for_sale = np.arange(items) >= shown
    clicked = np.where(for_sale, 0.3, 2.0) * _zipf(items, 0.5)[random.permutation(items)]
    liked = random.integers(kinds, size=users)
    rows, types = list[tuple[int, int, int]](), list[str]()
    for user in range(users):
        chance = popular * for_sale * np.where(kind == liked[user], 12.0, 1.0)
        second = int(random.integers(5 * DAY))
        while second < span * DAY:
            seen = random.choice(items, random.integers(3, 9), p=clicked / clicked.sum()).tolist()
            rows += [(user, item, second + 60 * step) for step, item in enumerate(seen)]
            types += ["View"] * len(seen)
            if random.random() < 0.5:
                rows.append((user, int(random.choice(items, p=chance / chance.sum())), second + HOUR))
                types.append("Purchase")
            second += int(random.exponential(6 * DAY)) + 2 * HOUR
    return _tables(random, rows, items, event=types)


WORLDS: Mapping[str, Callable[[Random], Tables]] = {
    "repeats": repeats,
    "drift": drift,
    "bursts": bursts,
    "positions": positions,
    "dense": dense,
    "long-tail": long_tail,
    "seasonal": seasonal,
    "few-users": few_users,
    "one-day": one_day,
    "films": films,
    "sessions": sessions,
    "demographics": demographics,
    "complements": complements,
    "kinds": kinds,
    "actions": actions,
    "shortlist": shortlist,
    "teasers": teasers,
}


def made(name: str, seed: int) -> Tables:
    return WORLDS[name](np.random.default_rng([seed, *name.encode()]))


def _zipf(size: int, power: float = 1.0) -> npt.NDArray[np.float64]:
    share = np.arange(1.0, size + 1) ** -power
    chances: npt.NDArray[np.float64] = share / share.sum()
    return chances


def _softmax(scores: Array) -> Array:
    weight = np.exp(scores - scores.max(axis=-1, keepdims=True))
    chances: Array = weight / weight.sum(axis=-1, keepdims=True)
    return chances


def _tables(
    random: Random,
    rows: Events,
    items: int,
    *,
    event: str | Sequence[str] = "Purchase",
    positions: bool = False,
    **columns: Mapping[str, Sequence[str]],
) -> Tables:
    """Name users and items at random, so that an id tells nothing, and give every column its schema."""
    users = 1 + max(row[0] for row in rows)
    user_ids, item_ids = (
        np.array([f"{kind}{number:06d}" for number in random.permutation(size).tolist()])
        for kind, size in (("u", users), ("i", items))
    )
    who, what, when = (np.array(column) for column in zip(*rows, strict=True))
    given = {"USER_ID": user_ids[who], "ITEM_ID": item_ids[what], "TIMESTAMP": BEGIN + when}
    types = pl.Series([event] * len(rows) if isinstance(event, str) else event)
    frame = pl.DataFrame(given).with_columns(types.alias("EVENT_TYPE"))
    frame = frame[random.permutation(len(rows))].sort("TIMESTAMP", maintain_order=True)
    frames = {"interactions": frame, "users": None, "items": None}
    for kind, name, ids in (("users", "USER_ID", user_ids), ("items", "ITEM_ID", item_ids)):
        if extra := columns.get(f"{kind[:-1]}_columns"):
            frames[kind] = pl.DataFrame({name: ids, **extra})
    schemas: dict[DataKind, Schema] = {}
    kinds: tuple[tuple[DataKind, DatasetType], ...] = (
        ("interactions", "INTERACTIONS"), ("users", "USERS"), ("items", "ITEMS")
    )  # fmt: skip
    for key, dataset in kinds:
        table = frames[key]
        if table is not None:
            schemas[key] = Schema(dataset, tuple(map(_field, table.columns)))
    return Tables((), frame, schemas, frames["users"], frames["items"], positions)


def _field(name: str) -> Field:
    if name == "TIMESTAMP":
        return Field(name, "long")
    return Field(name, "string", categorical=not name.endswith("_ID") and name != "EVENT_TYPE")
