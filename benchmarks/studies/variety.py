# SPDX-License-Identifier: Apache-2.0
"""What variety costs: distinct categories among the first ten and NDCG@10, before and after the re-ranking.

``python -m benchmarks.studies.variety [--test] [--back N] [--data DIR] [SET…]``. Protocol: one cut in time for the
whole shop; what lies before it trains, and each known user's first basket after it is asked for. `home` is
User-Personalization's list for the user; `similar` is Similar-Items' list for one item of that basket (drawn by a
hash), whose rest is relevant. The campaigns' lists have three times as many items as are shown. Without ``--test`` the
cut lies one window of 28 days before the test's, or `--back` windows, and all strengths are shown: the default is
chosen there. With it, only the default is measured.

The rule, written before the second choice: of each kind of list (`home`, `similar`) the default is the least strength
that closes at least half of the gap on the mean of the sets with categories; of several ways to choose, the one whose
lists then lose least. A way is only taken for a kind of list where that costs at most 1 % of NDCG on the mean of the
sets; else the strength is the largest that does not cost more. The test of a set is opened once, after that.

`gap` is the share of the gap that is closed between the distinct categories of the plain lists and the most that
their candidates have, ten at most. NDCG is paired by user, with a 95 % interval of a bootstrap.
"""

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from personalization.api import diversity
from personalization.api.diversity import SPREAD, Trait, varied
from personalization.releases.ranking_metrics import Answer, Bootstrap, discounted_gain, mean
from personalization.shop.settings.diversity import SIMILAR, STRENGTH, Diversity, variety_record
from personalize_local.recipes import training
from personalize_local.recipes.base import Model, Query
from personalize_local.recipes.config import TrainingConfig

from benchmarks.harness import REPOSITORY
from benchmarks.protocols import SEED
from benchmarks.questions.sets import tables
from local.demo import sample_data
from local.evaluation import splitting
from local.evaluation.files import Tables
from local.evaluation.pasts import drawn, prepared

K, DAYS, MOST = 10, 28, 1_500
STRENGTHS = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 1.0)
USUAL = {"home": STRENGTH, "similar": SIMILAR}
SETS = ("demo", "completejourney-dev", "online-retail")


@dataclass(frozen=True, slots=True)
class Answered:
    """One list of a campaign, and what was taken."""

    items: Sequence[str]
    relevant: frozenset[str]


def lists(given: Tables, back: int) -> dict[str, list[Answered]]:
    """The campaigns' lists, by placement, `back` windows before the test's cut."""
    rows = splitting.of_type(given.interactions, "Purchase")
    split = splitting.by_time(rows, None, int(rows["TIMESTAMP"].max()), DAYS)  # type: ignore[arg-type]
    for _ in range(back):
        split = splitting.by_time(split.training, None, split.cut, DAYS)
    past = prepared(given, split, TrainingConfig())
    users = drawn(split.tests.keys() & past.active, MOST, SEED)
    questions = [past.question(user, split.tests[user]) for user in users]
    config = TrainingConfig(hyperparameters={"tier": "standard"})
    home = training.train("aws-user-personalization", past.snapshot, config).model
    lists_by_kind = {"home": [Answered(_listed(home, question.query), question.relevant) for question in questions]}
    similar = training.train("aws-similar-items", past.snapshot, TrainingConfig()).model
    trained = set(similar.item_ids.tolist())
    lists_by_kind["similar"] = []
    for question in questions:
        seed = min(question.relevant, key=lambda item: zlib.crc32(item.encode()))
        if seed in trained and len(question.relevant) > 1:
            query = Query(item_id=seed, now=question.query.now)
            lists_by_kind["similar"].append(Answered(_listed(similar, query, seed), question.relevant - {seed}))
    return lists_by_kind


def _listed(model: Model, query: Query, without: str = "") -> list[str]:
    allowed: npt.NDArray[np.bool_] | None = None
    if without:
        allowed = np.array([item != without for item in model.item_ids.tolist()], dtype=bool)
    return [scored.item_id for scored in model.recommend(query, allowed, SPREAD * K)]


def traits(given: Tables) -> dict[str, Trait]:
    """What a release's default says of each item: its category, and its name if there is one."""
    items = given.items
    usual = diversity.read(variety_record(Diversity(), None, 0.0))
    if items is None or usual is None:
        return {}
    return {row["ITEM_ID"]: usual.trait({name: row[name] or "" for name in row}) for row in items.iter_rows(named=True)}


def rows(answered: Sequence[Answered], traits_of: dict[str, Trait], strengths: Sequence[float]) -> Iterator[str]:
    """One line for each strength."""
    bootstrap = Bootstrap(len(answered), SEED)

    def distinct(items: Sequence[str]) -> int:
        return len({traits_of[item][0] or item for item in items if item in traits_of})

    before = [discounted_gain(Answer(answer.items[:K], answer.relevant), K) for answer in answered]
    plain = mean(distinct(answer.items[:K]) for answer in answered)
    most = mean(min(K, distinct(answer.items)) for answer in answered)
    yield f"{'plain':>9} {plain:9.2f} {'':>7} {mean(before):8.4f}   (of {most:.2f})"
    for strength in strengths:
        shown = [varied(answer.items, traits_of, K, strength) for answer in answered]
        after = [
            discounted_gain(Answer(items, answer.relevant), K) for items, answer in zip(shown, answered, strict=True)
        ]
        values, base = mean(map(distinct, shown)), mean(before)
        gain = bootstrap.gain(after, before)
        closed = (values - plain) / (most - plain) if most > plain else 0.0
        cost = " ".join(f"{100 * part / base:+.2f}" for part in gain)
        yield f"{strength:9g} {values:9.2f} {closed:7.0%} {mean(after):8.4f}   {cost} %"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"of {', '.join(SETS)}; all without one")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--back", type=int, default=1, help="the validation cut: 2 is a window earlier")
    given = parser.parse_args()
    if strange := set(given.sets) - set(SETS):
        parser.error(f"no such set: {', '.join(sorted(strange))}")
    for name in given.sets or SETS:
        folder = given.data / name
        if name == "demo":
            folder = REPOSITORY / ".local" / "demo"
            sample_data.prepare(folder)
        if not folder.is_dir():
            print(f"{name}: there is no {folder}")
            continue
        with tempfile.TemporaryDirectory(prefix="variety-") as scratch:
            shop = tables(folder, Path(scratch) / "files")
            for kind, answered in lists(shop, 0 if given.test else given.back).items():
                cut = "test" if given.test else f"validation {given.back}"
                print(f"\n{name}, {kind}: n = {len(answered):,}, {cut}")
                print(f"{'strength':>9} {'distinct':>9} {'gap':>7} {'NDCG@10':>8}   change, 95 %")
                strengths = [USUAL[kind]] if given.test else (0.0, *STRENGTHS)
                print("\n".join(rows(answered, traits(shop), strengths)), flush=True)


if __name__ == "__main__":
    main()
