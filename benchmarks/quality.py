# SPDX-License-Identifier: Apache-2.0
"""Next-basket quality of User-Personalization on the demo's data, beside popularity and personal frequency.

Protocol: the demo's purchases (`make demo` downloads them). Each household's last basket (all rows of its last
timestamp) is the test; everything before it is imported; households with at least three baskets. The engine ranks all
items through GetRecommendations, nothing is excluded: groceries are bought again. The peers are counted here from the
same training rows: the most bought items, and the household's own most bought items (ties by overall popularity).
Recall@10 counts against min(10, basket size); NDCG@10 has binary gains. No weight of the recipe was chosen
on these tests.
"""

import csv
import math
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness import REPOSITORY, Engine, Shop
from local import demo_data

K = 10


class Row(NamedTuple):
    """One purchase."""

    user: str
    item: str
    timestamp: int


def read(path: Path) -> list[Row]:
    """All purchases of the demo's CSV."""
    with path.open(encoding="utf-8", newline="") as source:
        return [Row(r["USER_ID"], r["ITEM_ID"], int(r["TIMESTAMP"])) for r in csv.DictReader(source)]


def split(rows: Sequence[Row]) -> tuple[list[Row], dict[str, set[str]]]:
    """Training rows, and the last basket of each household with three baskets or more."""
    baskets: dict[str, set[int]] = defaultdict(set)
    for row in rows:
        baskets[row.user].add(row.timestamp)
    last = {user: max(times) for user, times in baskets.items() if len(times) >= 3}
    tests: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.timestamp == last.get(row.user):
            tests[row.user].add(row.item)
    return [row for row in rows if row.timestamp != last.get(row.user)], dict(tests)


def score(tests: dict[str, set[str]], recommend: Callable[[str], Sequence[str]]) -> tuple[float, float]:
    """Mean Recall@10 and NDCG@10."""
    recall = gain = 0.0
    for user, basket in tests.items():
        hits = [position for position, item in enumerate(recommend(user)[:K]) if item in basket]
        ideal = sum(1 / math.log2(position + 2) for position in range(min(K, len(basket))))
        recall += len(hits) / min(K, len(basket))
        gain += sum(1 / math.log2(position + 2) for position in hits) / ideal
    return recall / len(tests), gain / len(tests)


def peers(rows: Sequence[Row]) -> dict[str, Callable[[str], Sequence[str]]]:
    """The two baselines, each a function from a household to its ten items."""
    popularity = Counter(row.item for row in rows)
    popular = [item for item, _ in popularity.most_common(K)]
    own: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        own[row.user][row.item] += 1

    def frequent(user: str) -> Sequence[str]:
        mine = own[user]
        return [*sorted(mine, key=lambda item: (-mine[item], -popularity[item], item))[:K], *popular]

    return {"popularity": lambda _: popular, "personal frequency": frequent}


def main() -> None:
    """Print ours beside the peers."""
    data = demo_data.prepare(REPOSITORY / ".local" / "demo", print)
    training, tests = split(read(data.interactions))
    print(f"{len(training):,} purchases to train on, {len(tests)} last baskets to predict")
    for name, recommend in peers(training).items():
        print("{:24s} Recall@10 {:.4f}   NDCG@10 {:.4f}".format(name, *score(tests, recommend)))
    with tempfile.TemporaryDirectory() as folder, Engine(Path(folder) / "state", Path(folder) / "s3") as engine:
        shop = Shop(engine, Path(folder) / "s3")
        with shop.interactions.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(("USER_ID", "ITEM_ID", "EVENT_TYPE", "TIMESTAMP"))
            writer.writerows((row.user, row.item, "Purchase", row.timestamp) for row in training)
        shop.load()
        for recipe in ("aws-popularity-count", "aws-user-personalization"):
            campaign, seconds = shop.train(recipe)

            def ask(user: str, campaign: str = campaign) -> Sequence[str]:
                answer = shop.runtime.get_recommendations(campaignArn=campaign, userId=user, numResults=K)
                return [item["itemId"] for item in answer["itemList"]]

            figures = score(tests, ask)
            print("{:24s} Recall@10 {:.4f}   NDCG@10 {:.4f}   trained in {:.1f} s".format(recipe, *figures, seconds))


if __name__ == "__main__":
    main()
