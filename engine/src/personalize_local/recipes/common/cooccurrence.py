# SPDX-License-Identifier: Apache-2.0
"""Co-occurrence: distance-weighted counts of item pairs at a bounded cost, and the sparse rows made of them.

Counts of disjoint sets of users add up, so a model without the test users and the full one share their work.
"""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from personalize_local.recipes.common.online_counts import WINDOW
from personalize_local.recipes.common.rows import Floats, Ints, Mask, Numbers, Rows
from personalize_local.recipes.common.sparse_rows import SparseRows

MAX_PAIRS = 4_000_000
"""Most pairs that are counted; beyond, distances are sampled, the more sparsely the longer they are."""
DENSE = 4
"""Counts are added up in a dense square of items if that has at most so many cells a pair; else pairs are sorted."""
MAX_SHARED = 30_000_000
"""Most pairs of items with a common owner that `Shared` counts."""
PARTS = 32
"""Parts of the items whose rows are made one part after another."""
Positions = npt.NDArray[np.int32]
Weights = npt.NDArray[np.float32]
Part = tuple[Positions, Positions, Weights]
"""Of some pairs: one item, the other, and the weight."""
Matrix: TypeAlias = "sparse.csr_array"


def pairs(rows: Rows, decay: float, window: int = WINDOW) -> Matrix:
    """[items, items] weight of b after a: the sum over users of distance to the power of -decay, times b's weight.

    Two items of one basket are a pair in both directions.
    """
    item = rows.item.astype(np.int32, copy=False)
    parts: list[Part] = []
    for distance, spacing in _distances(rows.user, window):
        ours = rows.user[:-distance] == rows.user[distance:]
        before, after = item[:-distance][ours], item[distance:][ours]
        weight = (spacing * distance**-decay * rows.weight[distance:][ours]).astype(np.float32, copy=False)
        parts.append((before, after, weight))
        same = (rows.time[:-distance] == rows.time[distance:])[ours]
        parts.append((after[same], before[same], weight[same]))
    return _summed(parts, rows.items)


class Shared:
    """[items, items] how many owners (users or baskets) have both items.

    Rows are computed on request, since all of them would fill the memory.
    """

    def __init__(self, owner: Numbers, rows: Rows) -> None:
        """`owner`: that of each row. Where there are more than MAX_SHARED pairs, a random sample of owners counts."""
        ones = np.ones(len(rows), np.float32)
        taken = sparse.coo_array((ones, (owner, rows.item)), shape=(int(owner.max(initial=-1)) + 1, rows.items)).tocsr()
        taken.data[:] = 1.0
        sizes = np.diff(taken.indptr).astype(np.int64)
        order = np.random.default_rng(18).permutation(np.flatnonzero((sizes > 1) & (sizes**2 <= MAX_SHARED)))
        self._taken = taken[np.sort(order[np.cumsum(sizes[order] ** 2) <= MAX_SHARED])]
        self._owners = self._taken.T.tocsr()

    def __getitem__(self, items: Ints) -> Matrix:
        return self._owners[items] @ self._taken

    def totals(self) -> Floats:
        """[items] the pairs of each item with others."""
        sizes = np.diff(self._taken.indptr).astype(np.float64)
        return np.asarray(self._owners @ (sizes - 1.0))


def dense_rows(matrix: Matrix) -> Iterator[Weights]:
    """Yield the rows as arrays, one after another: all at once would fill the memory."""
    return (dense_row(matrix, row) for row in range(matrix.shape[0]))


def dense_row(matrix: Matrix, row: int) -> Weights:
    """[columns] a row; of a matrix in which no column comes twice in a row."""
    dense = np.zeros(matrix.shape[1], matrix.dtype)
    cells = slice(matrix.indptr[row], matrix.indptr[row + 1])
    dense[matrix.indices[cells]] = matrix.data[cells]
    return dense


def partners(counts: Matrix) -> Floats:
    """[items] the sum of each item's counts with other items."""
    return np.asarray(counts.sum(axis=0) - counts.diagonal(), np.float64).ravel()


def of_others(counts: Matrix, items: Ints) -> Matrix:
    """Set each item's count with itself to 0, and return `counts`; row n belongs to `items[n]`."""
    counts.data[counts.indices == np.repeat(items, np.diff(counts.indptr))] = 0.0
    return counts


def _distances(owner: Numbers, window: int) -> list[tuple[int, float]]:
    """Return the distances at which pairs are counted, and how many distances each stands for.

    These are all distances up to `window`, or a geometric sample of them where there would be more than MAX_PAIRS
    pairs.
    """
    lengths, owners = np.unique(np.bincount(owner, minlength=1), return_counts=True)
    window = min(window, max(int(lengths[-1]) - 1, 0))
    in_reach = owners @ np.maximum(lengths[:, None] - np.arange(1, window + 1), 0)
    if in_reach.sum() <= MAX_PAIRS or window < 3:
        return [(distance, 1.0) for distance in range(1, window + 1)]
    steps = max(2, min(int(MAX_PAIRS / in_reach[0]), window))
    sampled = np.unique(np.geomspace(1, window, steps).round().astype(int))
    edges = np.concatenate(([0.5], (sampled[1:] + sampled[:-1]) / 2, [window + 0.5]))
    return list(zip(sampled.tolist(), np.diff(edges).tolist(), strict=True))


def _summed(parts: list[Part], items: int) -> Matrix:
    """Add up the weights of pairs into a matrix [items, items]; empties `parts`."""
    if not parts:
        return sparse.csr_array((items, items), dtype=np.float32)
    columns = list(map(list, zip(*parts, strict=True)))
    parts.clear()
    # What was put together would take as much memory again: each column goes before the next one is made.
    before, after, weights = (np.concatenate(columns.pop(0)) for _ in range(3))
    if items * items <= DENSE * len(before):  # much quicker than sorting the pairs
        total = np.bincount(before.astype(np.int64) * items + after, weights, minlength=items * items)
        cells = np.flatnonzero(total)
        start = np.searchsorted(cells, items * np.arange(items + 1))
        return sparse.csr_array(
            (total[cells].astype(np.float32), (cells % items).astype(np.int32), start.astype(np.int32)),
            shape=(items, items),
        )
    return sparse.coo_array((weights, (before, after)), shape=(items, items)).tocsr()


def both_ways(counts: Matrix, backward: float) -> Matrix:
    """Add `backward` times the transposed counts: what follows an item often precedes it too."""
    return (counts + backward * counts.T.tocsr()).tocsr()


def scaled(counts: Matrix, of_row: Floats, of_column: Floats | Weights) -> Matrix:
    """Multiply each row and each column by a factor."""
    data = counts.data * np.repeat(of_row.astype(np.float32), np.diff(counts.indptr))
    data *= of_column.astype(np.float32)[counts.indices]
    return sparse.csr_array((data, counts.indices, counts.indptr), shape=counts.shape)


def pruned(matrix: Matrix, keep: int) -> SparseRows:
    """Keep the heaviest `keep` entries of each row; ties keep the lower column."""
    stays = matrix.data > 0
    for crowded in np.flatnonzero(np.diff(matrix.indptr) > keep).tolist():
        span = slice(matrix.indptr[crowded], matrix.indptr[crowded + 1])
        stays[span] &= _heaviest(matrix.data[span], matrix.indices[span], keep)
    heaviest = np.flatnonzero(stays)
    start = np.searchsorted(heaviest, matrix.indptr)
    return SparseRows(start, matrix.indices[heaviest].astype(np.int32), matrix.data[heaviest].astype(np.float32))


def nearest(of: Callable[[Ints], Matrix], items: int, keep: int) -> SparseRows:
    """Keep the heaviest `keep` of each row; `of` makes the rows of some items: all at once would fill the memory."""
    return SparseRows.joined(pruned(of(some), keep) for some in np.array_split(np.arange(items), PARTS))


def _heaviest(values: Weights, columns: Positions, keep: int) -> Mask:
    """Tell which values are the `keep` largest; of equal ones, those of lower columns are."""
    threshold = np.partition(values, len(values) - keep)[len(values) - keep]
    chosen: Mask = values >= threshold
    spare = int(np.count_nonzero(chosen)) - keep
    if spare:
        level = np.flatnonzero(values == threshold)
        chosen[level[np.argsort(-columns[level], kind="stable")][:spare]] = False
    return chosen


def two_steps(matrix: Matrix, keep: int, fan: int = 40) -> SparseRows:
    """[items, items] the probability that a random walk is at an item after two steps, without walks that come back.

    The walk follows each row's `fan` heaviest entries, in proportion to their weights.
    """
    cut = pruned(matrix, fan)
    size = matrix.shape[0]
    step = sparse.csr_array((cut.value, cut.column, cut.start), shape=(size, size))
    totals = np.maximum(step.sum(axis=1), 1e-12)
    step = scaled(step, 1.0 / totals, np.ones(size))
    return nearest(lambda items: of_others(step[items] @ step, items), size, keep)


def factors(matrix: Matrix, dimensions: int) -> Weights:
    """[items, dimensions] item vectors: leading eigenvectors of a symmetric matrix, times the roots of their values.

    They come from randomized subspace iteration (Halko, Martinsson and Tropp, Finding structure with randomness, 2011).
    """
    size = matrix.shape[0]
    dimensions = min(dimensions, size)
    basis = np.random.default_rng(3).standard_normal((size, dimensions)).astype(np.float32)
    for _ in range(4):
        basis, _ = np.linalg.qr(matrix @ basis)
    values, turn = np.linalg.eigh(basis.T @ (matrix @ basis))
    return np.asarray((basis @ turn) * np.sqrt(np.maximum(values, 0.0)), np.float32)
