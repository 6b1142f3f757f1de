# SPDX-License-Identifier: Apache-2.0
"""Lists as a shopper sees them, with names, beside those of plain rules: read them before a release.

``python -m benchmarks.studies.look SET [--items 10] [--users 5] [--seed 1] [--tier standard] [--data DIR]``. Everything
up to the cut of the set's last test trains. Items are drawn among those with five interactions or more, users among
those with a past. Under the lists stand their figures: what two lists have in common, the places of the best sellers,
and the share of the catalogue in any list. An item in brackets only fills a list: nothing relates it to the first one.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from personalize_local.recipes.base import Model, Query
from personalize_local.recipes.related.model import ListModel

from benchmarks.questions import sets
from benchmarks.questions.catalogue import SIMILAR, SIMS, UP
from benchmarks.questions.sets import SETS
from benchmarks.questions.shop import Half, Shop
from local.evaluation import distinct_lists, rules
from local.evaluation.counts import Counts
from local.evaluation.distinct_lists import DEPTH, Items
from local.evaluation.pasts import Past

WIDTH = 25
PLAIN = "same users (cosine)"
NAMES = (
    "NAME", "TITLE", "PRODUCT_NAME", "DESCRIPTION", "CATEGORY_L3", "CATEGORY_L2", "CATEGORY", "GENRE", "CATEGORIES",
)  # fmt: skip
"""Columns that say what an item is, the best first."""
Lists = Mapping[str, Sequence[str]]
"""By recipe or rule: what stands in its list."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.studies.look", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("set", choices=SETS, metavar="SET", help=", ".join(SETS))
    parser.add_argument("--items", type=int, default=10, help="items whose lists are shown")
    parser.add_argument("--users", type=int, default=5, help="users whose lists are shown")
    parser.add_argument("--seed", type=int, default=sets.SEED, help="of what is drawn, and of planted worlds")
    parser.add_argument("--tier", default="standard", help="of what is recommended for users")
    parser.add_argument("--data", type=Path, metavar="DIR", help="a folder for each public set")
    return parser.parse_args()


class Names:
    """What items are called."""

    def __init__(self, past: Past) -> None:
        columns = past.snapshot.item_columns
        self._places, self._column = past.places, next((columns[name] for name in NAMES if name in columns), None)

    def of(self, item: str) -> str:
        text = None if self._column is None else self._column[self._places[item]]
        return f"{text} {item}" if text else item


def table(title: str, lists: Lists) -> Iterator[str]:
    """Yield lists side by side."""
    yield ""
    yield title
    yield " ".join(f"{name:{WIDTH}.{WIDTH}}" for name in lists).rstrip()
    for rank in range(DEPTH):
        cells = [listed[rank] if rank < len(listed) else "" for listed in lists.values()]
        yield " ".join(f"{cell:{WIDTH}.{WIDTH}}" for cell in cells).rstrip()


def of_items(past: Past, models: Mapping[str, ListModel], items: Items, names: Names) -> Iterator[str]:
    """Yield the lists of items by each recipe, and by plain cosine; what only fills a list stands in brackets."""
    ids, taken = past.snapshot.items, np.bincount(past.rows.item, minlength=past.rows.items)
    plain = distinct_lists.plain(past, items)
    for number, item in enumerate(items.tolist()):
        query = Query(item_id=ids[item])
        lists: dict[str, list[str]] = {}
        for name, model in models.items():
            related = {*model.item_ids[model.related(query)].tolist()}
            scored = [(entry.item_id, names.of(entry.item_id)) for entry in model.recommend(query, None, DEPTH)]
            lists[name] = [title if item_id in related else f"({title})" for item_id, title in scored]
        lists[PLAIN] = [names.of(ids[position]) for position in plain[number].tolist()]
        yield from table(f"{names.of(ids[item])}, taken {taken[item]} times", lists)


def figures(past: Past, models: Mapping[str, ListModel], items: Items) -> Iterator[str]:
    """Yield how different the lists of items are."""
    lists = {name: distinct_lists.of_model(past, model, items) for name, model in models.items()}
    lists[PLAIN] = distinct_lists.plain(past, items)
    yield ""
    yield f"{len(items)} items: {'':{WIDTH - 12}} overlap  best sellers  catalogue  places filled"
    for name, listed in lists.items():
        of = distinct_lists.figures(past, listed)
        shares = f"{of['bestSellers']:13.1%} {of['coverage']:10.1%} {of['filled']:14.1%}"
        yield f"{name:{WIDTH}} {of['overlap']:9.3f} {shares}"


def of_users(past: Past, model: Model, users: Sequence[str], names: Names) -> Iterator[str]:
    counts = Counts(past)
    plain = {"what they buy most": rules.FREQUENCY, PLAIN: rules.COSINE}
    for user in users:
        question = past.question(user, frozenset())
        lists = {"for this user": [scored.item_id for scored in model.recommend(question.query, None, DEPTH)]}
        for name, rule in plain.items():
            scores = rule.make(counts, *rule.usual)(question)
            lists[name] = [item for item, _ in rules.listed(scores, counts.ids, None, DEPTH)]
        last = ", ".join(names.of(row.item_id) for row in question.query.history[-3:])
        shown = {name: [names.of(item) for item in listed] for name, listed in lists.items()}
        yield from table(f"a user of {len(question.query.history)} interactions, the last: {last}"[:79], shown)


def main() -> None:
    options = arguments()
    spec = SETS[options.set]
    given = sets.load(spec, options.data, options.seed)
    if given is None:
        raise SystemExit(f"{spec.name} needs --data DIR with a folder {spec.folder}")
    shop = Shop(spec, given, Half(), 1)
    past = shop.past("look", shop.split(0))
    names, random = Names(past), np.random.default_rng(options.seed)
    models = {name: shop.model("look", past, recipe, "")[0] for name, recipe in (("similar", SIMILAR), ("SIMS", SIMS))}
    related = {name: model for name, model in models.items() if isinstance(model, ListModel)}
    often = distinct_lists.drawn(past, options.seed)
    print("\n".join(of_items(past, related, often[: options.items], names)))
    print("\n".join(figures(past, related, often[: distinct_lists.MOST])))
    if options.users:
        personal = shop.model("look", past, UP, options.tier)[0]
        users = random.permutation(shop.known_users(past)).tolist()[: options.users]
        print("\n".join(of_users(past, personal, users, names)))


if __name__ == "__main__":
    main()
