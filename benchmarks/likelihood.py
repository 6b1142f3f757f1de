# SPDX-License-Identifier: Apache-2.0
"""Purchase likelihood beside a logistic model on six counts and LightGBM, and what demographics add.

Protocol. All pairs of a household and an item, the last four windows of seven days; a purchase is any event of the set.
What is known of a pair is as of its window's start. Weights and calibrators are frozen 28 days before the end of the
data: fitted on up to six windows, calibrated on four later ones (Platt). The peers have the same rows, windows and
calibration. Log-loss is the mean over all pairs; the calibration error is that of 15 bins of equal predicted
purchases, as a share of the base rate. Intervals are 95 % of 1,000 bootstrap samples of whole households. Choices were
made on windows before these four. Seeds: 1 for samples, 2 for the bootstrap.

The demo's households have demographics (`make demo` downloads them). Another set is a folder with interactions.csv
and items.csv, plain or .gz, that LIKELIHOOD_DATA or the first argument names.
"""

import gzip
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from personalization.likelihood import logistic, training
from personalization.likelihood.features import DAY
from personalization.likelihood.histories import Flags, Floats, History, Reader
from personalization.likelihood.scores import quality
from personalization.likelihood.tables import tables
from personalization.likelihood.training import Formulas, Rows

from benchmarks.harness import REPOSITORY
from local import demo_data

HORIZON, WINDOWS, SAMPLES, SLICES = 7, 4, 1_000, 2_000
SIX = ("user_n", "user_d28", "item_n", "item_d28", "pair_n", "pair_last")
Logits = Callable[[Mapping[str, Floats], Flags], Floats]
"""Log odds of pairs, from their features and which of them were bought before."""


@dataclass(frozen=True, slots=True)
class Tested:
    """Every pair of every window: probabilities by model, labels, which were bought before, and the household."""

    chances: Mapping[str, Floats]
    label: Flags
    seen: Flags
    household: Floats
    households: int


def read(folder: Path, *, users: bool) -> History:
    """A set as a history; every event in it is a purchase."""
    reader = Reader("Purchase", 1 << 40)
    with opened(folder, "interactions") as lines:
        reader.interactions(line.replace("PurchaseWithCoupon", "Purchase") for line in lines)
    with opened(folder, "items") as lines:
        reader.items(lines)
    if users:
        with opened(folder, "users") as lines:
            reader.users(lines)
    return reader.history()


@contextmanager
def opened(folder: Path, name: str) -> Iterator[TextIO]:
    """A CSV, plain or compressed."""
    plain = folder / f"{name}.csv"
    with plain.open(newline="") if plain.is_file() else gzip.open(f"{plain}.gz", "rt", newline="") as lines:
        yield lines


def ours(formulas: Formulas) -> Logits:
    """The model that serves."""
    return lambda found, seen: Rows(dict(found), np.zeros(0), np.zeros(0), seen).logits(formulas)


def rows_of(history: History, cut: int) -> tuple[Rows, Rows]:
    """The rows that models are fitted on, and those of the later windows that they are calibrated on."""
    chance, horizon = np.random.default_rng(1), HORIZON * DAY
    starts = training.windows(history, horizon, cut)
    vectors = tables(history, starts[-1]).vectors
    rows = [training.sample(tables(history, start, vectors), start + horizon, chance) for start in starts]
    # One window more than what serves leaves for its test.
    return training.joined(rows[training.CALIBRATED :]), training.joined(rows[: training.CALIBRATED])


def six_counts(fitted: Rows, later: Rows) -> Logits:
    """A logistic model on six counts, calibrated."""
    design, mean, spread = logistic.standardised([fitted.features[name] for name in SIX], np.ones(len(fitted.label)))
    found = logistic.fit(design, fitted.label, fitted.weight, np.zeros(7), np.zeros(7))

    def raw(values: Mapping[str, Floats]) -> Floats:
        result: Floats = found[0] + sum(
            found[place + 1] * (values[name] - mean[place]) / spread[place] for place, name in enumerate(SIX)
        )
        return result

    a, b = logistic.platt(raw(later.features), later.label, later.weight, 0.0)
    return lambda values, _: a + b * raw(values)


def boosted(fitted: Rows, later: Rows) -> Logits | None:
    """LightGBM on the same six counts, calibrated; None where it is not installed."""
    try:
        import lightgbm  # type: ignore[import-not-found,unused-ignore] # noqa: PLC0415
    except ImportError:
        return None

    def matrix(values: Mapping[str, Floats]) -> Floats:
        return np.stack([values[name] for name in SIX], 1)

    options = {"objective": "binary", "learning_rate": 0.05, "num_leaves": 31, "min_data_in_leaf": 50, "verbose": -1}
    data = lightgbm.Dataset(matrix(fitted.features), fitted.label, weight=fitted.weight)
    model = lightgbm.train({**options, "lambda_l2": 5.0, "num_threads": 1, "seed": 1}, data, 200)
    a, b = logistic.platt(model.predict(matrix(later.features), raw_score=True), later.label, later.weight, 0.0)
    return lambda values, _: a + b * model.predict(matrix(values), raw_score=True)


def test(history: History, models: Mapping[str, Logits]) -> Tested:
    """Ask the models for every pair of the last windows."""
    wide, many, end = len(history.items), len(history.users), history.end + 1
    chances: dict[str, list[Floats]] = {name: [] for name in models}
    labels, before, owners = [], [], []
    for step in range(WINDOWS, 0, -1):
        start = end - step * HORIZON * DAY
        table = tables(history, start)
        inside = history.bought & (history.time >= start) & (history.time < start + HORIZON * DAY)
        label = np.zeros(many * wide, dtype=bool)
        label[history.user[inside] * wide + history.item[inside]] = True
        labels.append(label)
        for first in range(0, many, 50):
            users = np.repeat(np.arange(first, min(first + 50, many)), wide)
            found = table.features(users, np.tile(np.arange(wide), len(users) // wide))
            seen = found["seen"] > 0
            before.append(seen)
            owners.append(users.astype(np.float32))
            for name, logits in models.items():
                chances[name].append(logistic.sigmoid(logits(found, seen)).astype(np.float32))
    joined = {name: np.concatenate(parts) for name, parts in chances.items()}
    return Tested(joined, np.concatenate(labels), np.concatenate(before), np.concatenate(owners), many)


def losses(tested: Tested, name: str, only: Flags) -> Floats:
    """The sum of log-losses of each household."""
    chance = np.clip(tested.chances[name][only].astype(np.float64), 1e-9, 1 - 1e-9)
    loss = -np.where(tested.label[only], np.log(chance), np.log1p(-chance))
    sums: Floats = np.asarray(np.bincount(tested.household[only].astype(np.int64), loss, tested.households))
    return sums


def areas(tested: Tested, name: str, weights: Floats) -> Floats:
    """The area under the ROC curve of each bootstrap sample, from a histogram of slices of equal width in rank."""
    chance = tested.chances[name]
    edges = np.quantile(chance[:: max(1, len(chance) // 2_000_000)], np.linspace(0, 1, SLICES + 1)[1:-1])
    # Purchases crowd the top, where slices of equal width would be too wide.
    edges = np.unique(np.concatenate([edges, np.quantile(chance[tested.label], np.linspace(0, 1, SLICES)[1:-1])]))
    place = np.searchsorted(edges, chance)
    wide = len(edges) + 1
    owner = tested.household.astype(np.int64) * wide + place
    shape = (tested.households, wide)
    good = weights @ np.bincount(owner[tested.label], minlength=tested.households * wide).reshape(shape)
    bad = weights @ np.bincount(owner[~tested.label], minlength=tested.households * wide).reshape(shape)
    below = np.cumsum(bad, 1) - bad / 2
    result: Floats = (good * below).sum(1) / (good.sum(1) * bad.sum(1))
    return result


def drawn(households: int) -> Floats:
    """How often each household is in each bootstrap sample."""
    chance = np.random.default_rng(2)
    return chance.multinomial(households, np.full(households, 1 / households), SAMPLES).astype(np.float64)


def interval(values: Floats) -> str:
    """The middle 95 %."""
    low, high = np.quantile(values, [0.025, 0.975])
    return f"[{low:+.2%}, {high:+.2%}]"


def gain(tested: Tested, name: str, floor: str, only: Flags, weights: Floats) -> str:
    """How much lower the log-loss is than another model's, with its interval."""
    mine, other = losses(tested, name, only), losses(tested, floor, only)
    return f"{mine.sum() / other.sum() - 1:+.2%} {interval((weights @ mine) / (weights @ other) - 1)}"


def show(tested: Tested, floor: str) -> None:
    """A row for each model."""
    weights = drawn(tested.households)
    everything, one = np.ones(len(tested.label), dtype=bool), np.ones(len(tested.label))
    label = tested.label.astype(np.float64)
    rate = tested.label.mean()
    print(f"{len(label):,} pairs, {tested.label.sum():,} purchases (base rate {rate:.5f})")
    for name, chance in tested.chances.items():
        found = quality(chance.astype(np.float64), label, one)
        low, high = np.quantile(areas(tested, name, weights), [0.025, 0.975])
        line = f"{name:32s} log-loss {found.log_loss:.6f}  AUC {found.auc:.4f} [{low:.4f}, {high:.4f}]"
        line += f"  calibration {found.calibration_error:.3f}"
        if name != floor:
            line += f"  against {floor}: {gain(tested, name, floor, everything, weights)}"
            line += f", bought before {gain(tested, name, floor, tested.seen, weights)}"
        print(line)


def compare(folder: Path, *, users: bool) -> None:
    """One set: ours, its peers, and with demographics ours without them."""
    history = read(folder, users=users)
    cut = history.end + 1 - WINDOWS * HORIZON * DAY
    started = time.process_time()
    models: dict[str, Logits] = {}
    fitted, later = rows_of(history, cut)
    models["logistic on six counts"] = six_counts(fitted, later)
    if (trees := boosted(fitted, later)) is not None:
        models["LightGBM on six counts"] = trees
    raw = training.formulas(fitted, history.levels)
    models["ours"] = ours(training.recalibrated(raw, later))
    sizes = f"{len(history.users)} households, {len(history.items)} items, {len(history.time):,} purchases"
    print(f"\n{folder.name}: {sizes}")
    print(f"fitted in {time.process_time() - started:.1f} CPU-seconds")
    show(test(history, models), "logistic on six counts")
    if users:
        bare = replace(history, groups={}, group_names={})
        older, newer = rows_of(bare, cut)
        plain = ours(training.recalibrated(training.formulas(older, bare.levels), newer))
        # The lift of demographics is 0 for a model that was fitted without any.
        both = test(history, {"without demographics": plain, "with demographics": models["ours"]})
        show(both, "without demographics")


def main() -> None:
    """Print the figures of the sets that are there."""
    named = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("LIKELIHOOD_DATA", "")
    if named:
        compare(Path(named), users=False)
    data = demo_data.prepare(REPOSITORY / ".local" / "demo", print)
    compare(data.interactions.parent, users=True)


if __name__ == "__main__":
    main()
