# SPDX-License-Identifier: Apache-2.0
"""Lists as a shopper sees them, with names, beside those of plain rules: read them before a release.

``python -m benchmarks.look SET [--items 10] [--users 5] [--seed 1] [--tier standard] [--data DIR]``. Everything up to
the cut of the set's last test trains. Items are drawn among those with five interactions or more, users among those
with a past. Under the lists stand their figures: what two lists have in common, the places of the best sellers, and
the share of the catalogue in any list. An item in brackets only fills a list: nothing relates it to the first one.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes.base import Model, Query
from personalize_local.recipes.common.cooccurrence import Shared
from personalize_local.recipes.related.distinctness import Distinctness, of_cosine
from personalize_local.recipes.related.model import ListModel

from benchmarks.questions import sets
from benchmarks.questions.catalogue import SIMILAR, SIMS, UP
from benchmarks.questions.sets import SETS
from benchmarks.questions.shop import Half, Shop
from local.evaluation import rules
from local.evaluation.counts import Counts
from local.evaluation.pasts import Past

DEPTH, WIDTH = 10, 25
LEAST = 5
"""Interactions of an item that is drawn."""
MEASURED = 300
"""Items whose lists are measured, at most."""
NAMES = (
    "NAME",
    "TITLE",
    "PRODUCT_NAME",
    "DESCRIPTION",
    "CATEGORY_L3",
    "CATEGORY_L2",
    "CATEGORY",
    "GENRE",
    "CATEGORIES",
)
"""Columns that say what an item is, the best first."""
Lists = Mapping[str, Sequence[str]]
"""By recipe or rule: what stands in its list."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.look", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("set", choices=SETS, metavar="SET", help=", ".join(SETS))
    parser.add_argument("--items", type=int, default=10, help="items whose lists are shown")
    parser.add_argument("--users", type=int, default=5, help="users whose lists are shown")
    parser.add_argument("--seed", type=int, default=sets.SEED, help="of what is drawn, and of planted worlds")
    parser.add_argument("--tier", default="standard", help="of what is recommended for users")
    parser.add_argument("--data", type=Path, metavar="DIR", help="a folder for each public set")
    return parser.parse_args()


class Names:
    """What items are called."""

    def __init__(self, snapshot: Snapshot) -> None:
        columns = [snapshot.item_columns[name] for name in NAMES if name in snapshot.item_columns]
        self._places = {item: place for place, item in enumerate(snapshot.items.tolist())}
        self._columns = columns[:1]

    def of(self, item: str) -> str:
        place = self._places.get(item)
        texts = [str(column[place]) for column in self._columns if place is not None and column[place]]
        return f"{texts[0]} {item}" if texts else item


def table(title: str, lists: Lists) -> Iterator[str]:
    """Yield lists side by side."""
    yield ""
    yield title
    yield " ".join(f"{name:{WIDTH}.{WIDTH}}" for name in lists).rstrip()
    for place in range(DEPTH):
        cells = [listed[place] if place < len(listed) else "" for listed in lists.values()]
        yield " ".join(f"{cell:{WIDTH}.{WIDTH}}" for cell in cells).rstrip()


class Related:
    """The lists of items."""

    def __init__(self, past: Past, models: Mapping[str, ListModel]) -> None:
        self.past, self._models = past, models
        rows = past.rows
        self._shared = Shared(rows.user, rows)
        self.takers = np.bincount(rows.once().item, minlength=rows.items).astype(np.float64)
        self.popular = np.bincount(rows.item, minlength=rows.items).astype(np.float64)

    def of(self, item: int) -> dict[str, list[tuple[str, bool]]]:
        """Return by recipe and rule the items of its list, and whether each is related."""
        ids = self.past.snapshot.items
        found: dict[str, list[tuple[str, bool]]] = {}
        for name, model in self._models.items():
            query = Query(item_id=ids[item])
            related = dict(zip(model.item_ids.tolist(), model.related(query).tolist(), strict=True))
            found[name] = [(each.item_id, related[each.item_id]) for each in model.recommend(query, None, DEPTH)]
        scores = of_cosine(self._shared[np.array([item])], self.takers, np.array([item]))[0]
        some = np.argsort(-scores, kind="stable")[:DEPTH]
        found["same users (cosine)"] = [(ids[place], True) for place in some.tolist() if scores[place] > 0]
        return found


def of_items(related: Related, chosen: Sequence[int], names: Names) -> Iterator[str]:
    ids = related.past.snapshot.items
    for item in chosen:
        lists = {
            name: [names.of(each) if fits else f"({names.of(each)})" for each, fits in listed]
            for name, listed in related.of(item).items()
        }
        yield from table(f"{names.of(ids[item])}, taken {related.popular[item]:.0f} times", lists)


def figures(related: Related, chosen: Sequence[int]) -> Iterator[str]:
    places = {item: place for place, item in enumerate(related.past.snapshot.items.tolist())}
    lists: dict[str, list[npt.NDArray[np.int64]]] = {}
    for item in chosen:
        for name, listed in related.of(item).items():
            lists.setdefault(name, []).append(np.array([places[each] for each, fits in listed if fits], np.int64))
    yield ""
    yield f"{len(chosen)} items: {'':{WIDTH - 12}} overlap  best sellers  catalogue  places filled"
    for name, found in lists.items():
        of = Distinctness.of(found, DEPTH, related.popular)
        filled = 1.0 - sum(map(len, found)) / DEPTH / len(found)
        yield f"{name:{WIDTH}} {of.overlap:9.3f} {of.best_sellers:13.1%} {of.coverage:10.1%} {filled:14.1%}"


def of_users(past: Past, model: Model, users: Sequence[str], names: Names) -> Iterator[str]:
    counts = Counts(past)
    plain: dict[str, Callable[..., rules.Scorer]] = {
        "what they buy most": rules.FREQUENCY.make, "same users (cosine)": rules.COSINE.make,
    }  # fmt: skip
    usual = {"what they buy most": rules.FREQUENCY.usual, "same users (cosine)": rules.COSINE.usual}
    for user in users:
        question = past.question(user, frozenset())
        lists = {"for this user": [each.item_id for each in model.recommend(question.query, None, DEPTH)]}
        for name, make in plain.items():
            scores = make(counts, *usual[name])(question)
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
    names, random = Names(past.snapshot), np.random.default_rng(options.seed)
    models = {name: shop.model("look", past, recipe, "")[0] for name, recipe in (("similar", SIMILAR), ("SIMS", SIMS))}
    related = Related(past, {name: model for name, model in models.items() if isinstance(model, ListModel)})
    often = random.permutation(np.flatnonzero(related.popular >= LEAST)).tolist()
    print("\n".join(of_items(related, often[: options.items], names)))
    print("\n".join(figures(related, often[:MEASURED])))
    if options.users:
        personal = shop.model("look", past, UP, options.tier)[0]
        users = random.permutation(shop.known(past)).tolist()[: options.users]
        print("\n".join(of_users(past, personal, users, names)))


if __name__ == "__main__":
    main()
