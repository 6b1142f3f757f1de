# SPDX-License-Identifier: Apache-2.0
"""Other libraries' recommenders on a protocol of benchmarks/quality.py; runs in their environment, not in ours.

``python -m benchmarks.peers TASK.npz ANSWERS.npz NAME``. The task: who took what in training (`user`, `item`), the
histories of the shoppers to ask (`history` item numbers, cut at `starts`; `asked` their numbers), whether items of the
history are left out (`new`), how many items are wanted (`limit`). Repeats are counts. The answers: `items` and `scores`
[asked, limit], best first, and processor seconds of training and of all answers.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

Array = npt.NDArray[Any]
Score = Callable[[sparse.csr_matrix, Array], Array]
"""(histories [some, items] as counts, users' numbers) → [some, items] scores."""


def implicit_als(counts: sparse.csr_matrix) -> Score:
    """Implicit's ALS: 128 factors, 15 sweeps, regularisation 0.01, alpha 1; users folded in by their history."""
    from implicit.als import AlternatingLeastSquares  # noqa: PLC0415

    model = AlternatingLeastSquares(128, regularization=0.01, iterations=15, random_state=7, num_threads=1)
    model.fit(counts, show_progress=False)

    def score(histories: sparse.csr_matrix, _users: Array) -> Array:
        factors: Array = model.recalculate_user(np.arange(histories.shape[0]), histories)
        scores: Array = factors @ model.item_factors.T
        return scores

    return score


def implicit_bm25(counts: sparse.csr_matrix) -> Score:
    """Implicit's BM25 item neighbours: K 200, K1 1.2, B 0.75."""
    from implicit.nearest_neighbours import BM25Recommender  # noqa: PLC0415

    return _neighbours(BM25Recommender(K=200, num_threads=1), counts)


def implicit_cosine(counts: sparse.csr_matrix) -> Score:
    """Implicit's cosine item neighbours: K 200."""
    from implicit.nearest_neighbours import CosineRecommender  # noqa: PLC0415

    return _neighbours(CosineRecommender(K=200, num_threads=1), counts)


def rectools_ease(counts: sparse.csr_matrix) -> Score:
    """RecTools' EASE, regularisation 500 (its default)."""
    return _ease(counts, 500.0)


def rectools_ease_100(counts: sparse.csr_matrix) -> Score:
    """RecTools' EASE, regularisation 100."""
    return _ease(counts, 100.0)


def lenskit_knn(counts: sparse.csr_matrix) -> Score:
    """LensKit's item neighbours for implicit feedback, its defaults (20 neighbours)."""
    from lenskit.knn import ItemKNNScorer  # noqa: PLC0415

    return _lenskit(ItemKNNScorer(feedback="implicit"), counts)


def lenskit_als(counts: sparse.csr_matrix) -> Score:
    """LensKit's ALS for implicit feedback, its defaults (64 factors, 10 sweeps, weight 40), repeats as ratings."""
    from lenskit.als import ImplicitMFScorer  # noqa: PLC0415

    return _lenskit(ImplicitMFScorer(use_ratings=True), counts)


PEERS: dict[str, Callable[[sparse.csr_matrix], Score]] = {
    "implicit ALS": implicit_als,
    "implicit BM25": implicit_bm25,
    "implicit cosine": implicit_cosine,
    "RecTools EASE 500": rectools_ease,
    "RecTools EASE 100": rectools_ease_100,
    "LensKit item kNN": lenskit_knn,
    "LensKit ALS": lenskit_als,
}
BATCH = 200
"""Shoppers that are asked about in one go."""


def _neighbours(model: Any, counts: sparse.csr_matrix) -> Score:  # noqa: ANN401 - without types
    model.fit(counts, show_progress=False)
    return lambda histories, _users: (histories @ model.similarity).toarray()


def _ease(counts: sparse.csr_matrix, regularization: float) -> Score:
    import pandas as pd  # noqa: PLC0415
    from rectools.dataset import Dataset  # noqa: PLC0415
    from rectools.models import EASEModel  # noqa: PLC0415

    taken = counts.tocoo()
    rows = {"user_id": taken.row, "item_id": taken.col, "weight": taken.data, "datetime": "2020-01-01"}
    dataset = Dataset.construct(pd.DataFrame(rows))
    model = EASEModel(regularization=regularization).fit(dataset)
    inner = dataset.item_id_map.convert_to_internal(np.arange(counts.shape[1]), strict=False)
    taken_items = np.flatnonzero(np.bincount(taken.col, minlength=counts.shape[1]))
    if len(inner) != len(taken_items):
        sys.exit("RecTools does not know the items that it was given")

    def score(histories: sparse.csr_matrix, _users: Array) -> Array:
        scores = np.full(histories.shape, -np.inf)
        ordered = np.empty(len(taken_items), np.int64)
        ordered[inner] = taken_items
        scores[:, ordered] = histories[:, ordered] @ model.weight
        return scores

    return score


def _lenskit(scorer: Any, counts: sparse.csr_matrix) -> Score:  # noqa: ANN401 - without types
    import pandas as pd  # noqa: PLC0415
    from lenskit.data import ItemList, RecQuery, from_interactions_df  # noqa: PLC0415
    from lenskit.training import TrainingOptions  # noqa: PLC0415

    taken = counts.tocoo()
    frame = pd.DataFrame({"user_id": taken.row, "item_id": taken.col, "rating": taken.data})
    scorer.train(from_interactions_df(frame), TrainingOptions(rng=7))
    every = np.arange(counts.shape[1])

    def score(histories: sparse.csr_matrix, users: Array) -> Array:
        all_scores = np.full(histories.shape, -np.inf)
        for row, user in enumerate(users.tolist()):
            cells = slice(histories.indptr[row], histories.indptr[row + 1])
            past = ItemList(item_ids=histories.indices[cells], rating=histories.data[cells])
            scored = scorer(RecQuery(user_id=user, history_items=past), ItemList(item_ids=every))
            all_scores[row] = np.nan_to_num(scored.scores(), nan=-np.inf)
        return all_scores

    return score


def best(scores: Array, histories: sparse.csr_matrix, limit: int, *, new: bool) -> tuple[Array, Array]:
    """The best items of each row and their scores."""
    if new:
        scores[histories.nonzero()] = -np.inf
    top = np.argpartition(-scores, limit, axis=1)[:, :limit]
    values = np.take_along_axis(scores, top, 1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(top, order, 1), np.take_along_axis(values, order, 1)


def main(task: str, target: str, name: str) -> None:
    """Train one peer, ask it about every shopper, write what it answers."""
    given = np.load(task)
    users, items, limit, new = (int(given[key]) for key in ("users", "items", "limit", "new"))
    ones = np.ones(len(given["user"]), np.float32)
    counts = sparse.csr_matrix((ones, (given["user"], given["item"])), shape=(users, items))
    starts, past = given["starts"], given["history"]
    rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    histories = sparse.csr_matrix((np.ones(len(past), np.float32), (rows, past)), shape=(len(starts) - 1, items))
    begun = time.process_time()
    score = PEERS[name](counts)
    trained = time.process_time()
    parts = []
    for start in range(0, histories.shape[0], BATCH):
        some = histories[start : start + BATCH]
        parts.append(best(score(some, given["question_users"][start : start + BATCH]), some, limit, new=bool(new)))
    item_numbers, scores = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    seconds = np.array([trained - begun, time.process_time() - trained])
    np.savez(target, items=item_numbers, scores=scores, seconds=seconds)


if __name__ == "__main__":
    main(*sys.argv[1:4])
