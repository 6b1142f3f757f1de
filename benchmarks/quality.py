# SPDX-License-Identifier: Apache-2.0
"""Quality of User-Personalization beside other libraries and simple rules, each protocol in one run.

``python -m benchmarks.quality [PROTOCOL…] [--data DIR] [--fast] [--deep]``. The demo's protocol needs nothing (its
data come from PyPI); the others need DIR with a folder for each data set, named as in `benchmarks.protocols`, with
interactions, users and items in Personalize's columns; without it they are left out, with a word. Peers live in
`.local/bench` (Python 3.13, `locks/bench.txt`), which is made when it is missing; `--fast` leaves them out, and the
standard tier of the 26 trainings for new customers. `--deep` measures the deep tier too, but not for new customers:
it has nothing to read of them.

Every figure is a mean over shoppers with its 95 % interval (bootstrap); `gain` is that of NDCG over the best simple
rule, in pairs. Processor seconds are of one thread: training, and one answer. Rules and recipes choose nothing on the
tests; the peers have the settings that `benchmarks.peers` gives, their defaults mostly.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from personalization.releases.ranking_metrics import (
    Answer,
    Bootstrap,
    Interval,
    discounted_gain,
    hit_rate,
    recall,
    relevant_last,
)
from personalize_local.data.snapshots import Strings
from personalize_local.recipes import training
from personalize_local.recipes.config import TrainingConfig

from benchmarks.harness import REPOSITORY
from benchmarks.peers import PEERS
from benchmarks.protocols import PROTOCOLS, SEED, Exam, Protocol, tables
from local.cloud.environments import LOCAL, find_python, refresh
from local.demo import sample_data
from local.evaluation import splitting
from local.evaluation.files import Tables
from local.evaluation.pasts import Question, prepared
from local.evaluation.rules import SPARE, Rules, Tuning, tuned

K = 10
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "LK_NUM_THREADS"), "1"
)
RULES = {
    "popularity": Rules.popular,
    "recent popularity": Rules.recent,
    "personal frequency": Rules.again,
    "decayed frequency + recent": Rules.decayed,
    "taken together": Rules.together,
}
FOR_EVERYBODY = ("popularity", "recent popularity")


@dataclass
class Result:
    """The lists of one method over all exams of a protocol, and what they took."""

    answers: list[Answer] = field(default_factory=list)
    training: float = 0.0
    """Processor seconds."""
    asking: float = 0.0


def ours(results: dict[str, Result], exam: Exam, tier: str) -> None:
    """User-Personalization in this process."""
    result = results.setdefault(f"User-Personalization {tier}", Result())
    begun = time.process_time()
    config = TrainingConfig(hyperparameters={"tier": tier})
    model = training.train("aws-user-personalization", exam.past.snapshot, config).model
    result.training += time.process_time() - begun
    for question, allowed in _allowed(exam, model.item_ids):
        begun = time.process_time()
        scored = model.recommend(question.query, allowed, K + SPARE)
        result.asking += time.process_time() - begun
        # Of items that nobody has taken, the printed scores are rounded to nothing.
        blind = exam.only is not None
        pairs = [(each.item_id, -at if blind or each.score is None else each.score) for at, each in enumerate(scored)]
        result.answers.append(_cut(pairs, question.relevant))


def simple(results: dict[str, Result], exam: Exam, tuning: Tuning, names: Iterable[str]) -> None:
    """The simple rules."""
    rules = exam.past.rules(tuning)
    for name in names:
        result = results.setdefault(name, Result())
        for question, allowed in _allowed(exam, exam.past.snapshot.items):
            begun = time.process_time()
            pairs = rules.list(RULES[name](rules, question.user), allowed, K + SPARE)
            result.asking += time.process_time() - begun
            result.answers.append(_cut(pairs, question.relevant))


def _allowed(exam: Exam, items: Strings) -> Iterator[tuple[Question, npt.NDArray[np.bool_] | None]]:
    """Each question with the mask of what its list may hold."""
    places = {item: place for place, item in enumerate(items.tolist())}
    only = None if exam.only is None else np.isin(items, list(exam.only))
    for question in exam.questions:
        mask = only
        if exam.new:
            mask = np.ones(len(items), bool) if only is None else only.copy()
            mask[[places[item] for item in question.seen if item in places]] = False
        yield question, mask


def peer(results: dict[str, Result], exam: Exam, name: str, folder: Path) -> None:
    """A recommender of another library, in its environment; one that fails is named and left out."""
    task, target = folder / "task.npz", folder / "answers.npz"
    _write(exam, task)
    command = [str(LOCAL / "bench" / "bin" / "python"), "-m", "benchmarks.peers", str(task), str(target), name]
    ended = subprocess.run(
        command, cwd=REPOSITORY, env={**os.environ, **ONE_THREAD}, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        print(f"{name}: {(ended.stderr.strip().splitlines() or ['it was killed'])[-1]}")
        return
    found, items = np.load(target), exam.past.snapshot.items
    listed = zip(found["items"].tolist(), found["scores"].tolist(), exam.questions, strict=True)
    result = results.setdefault(name, Result())
    for places, scores, question in listed:
        pairs = [(items[place], score) for place, score in zip(places, scores, strict=True) if score > -np.inf]
        result.answers.append(_cut(pairs, question.relevant))
    result.training, result.asking = found["seconds"].tolist()


def _write(exam: Exam, path: Path) -> None:
    """The task as the peers read it."""
    past = exam.past
    number = {item: place for place, item in enumerate(past.snapshot.items.tolist())}
    histories = [
        [number[row.item_id] for row in each.query.history if row.item_id in number] for each in exam.questions
    ]
    np.savez(
        path,
        user=past.rows.user,
        item=past.rows.item,
        users=len(past.snapshot.users),
        items=len(past.snapshot.items),
        history=np.array([item for each in histories for item in each], np.int64),
        starts=np.cumsum([0, *map(len, histories)]),
        asked=np.array([past.numbers[each.user] for each in exam.questions]),
        new=exam.new,
        limit=K + SPARE,
    )


def _cut(pairs: Iterable[tuple[str, object]], relevant: frozenset[str]) -> Answer:
    return Answer(relevant_last(pairs, relevant)[:K], relevant)


def parameters(exam: Exam, given: Tables) -> Tuning:
    """The rules' parameters, chosen on the newest part of the past."""
    before = splitting.earlier(exam.past.split, None)
    if before is None:
        return Tuning()
    past = prepared(given, before, TrainingConfig())
    return tuned(past.rules, sorted((user, items) for user, items in before.tests.items() if user in past.active), K)


def measure(protocol: Protocol, data: Path, *, fast: bool, deep: bool) -> dict[str, Result]:
    """All methods on one protocol."""
    results: dict[str, Result] = {}
    with tempfile.TemporaryDirectory(prefix="quality-") as scratch:
        given = tables(data, Path(scratch) / "files")
        tuning = None
        for exam in protocol.exams(given):
            tuning = tuning or parameters(exam, given)
            simple(results, exam, tuning, FOR_EVERYBODY if protocol.cold else RULES)
            for tier in _tiers(protocol, fast=fast, deep=deep):
                ours(results, exam, tier)
            if not protocol.cold and not fast:
                for name in PEERS:
                    peer(results, exam, name, Path(scratch))
    return results


def _tiers(protocol: Protocol, *, fast: bool, deep: bool) -> Sequence[str]:
    if protocol.cold:
        return ("fast",) if fast else ("fast", "standard")
    return ("fast", "standard", "deep") if deep else ("fast", "standard")


def show(protocol: Protocol, results: Mapping[str, Result]) -> None:
    """Print a protocol's table."""
    asked = len(next(iter(results.values())).answers)
    print(f"\n{protocol.title}: {protocol.about}; n = {asked:,}, seed {SEED}")
    bootstrap = Bootstrap(asked, SEED)
    gains = {name: [discounted_gain(each, K) for each in result.answers] for name, result in results.items()}
    best = max((name for name in RULES if name in results), key=lambda name: sum(gains[name]))
    titles = ("", "HR@10", "Recall@10", "NDCG@10", "95 %", f"gain on {best}", "train", "answer")
    print("{:29s} {:>6s} {:>9s} {:>8s} {:>13s} {:>38s} {:>9s} {:>9s}".format(*titles))
    for name, result in results.items():
        hits, found = (sum(metric(each, K) for each in result.answers) / asked for metric in (hit_rate, recall))
        value, low, high = bootstrap.interval(gains[name])
        gain, answer = _gain(bootstrap.ratio(gains[name], gains[best])), 1e3 * result.asking / asked
        print(f"{name:29s} {hits:6.4f} {found:9.4f} {value:8.4f} {low:6.4f}-{high:6.4f} {gain:>38s}", end="")
        print(f" {result.training:7.1f} s {answer:6.2f} ms", flush=True)


def _gain(times: Interval | None) -> str:
    return "" if times is None else f"{times.value - 1:+.1%} ({times.low - 1:+.1%} to {times.high - 1:+.1%})"


def environment() -> None:
    """Make the peers' environment where it is missing or its lock has changed."""
    python = find_python()
    if python.version != "3.13":
        sys.exit("the peers need Python 3.13 (https://www.python.org); without them: make bench FAST=1")
    print("the peers' environment is .local/bench, a few gigabytes since LensKit brings torch", flush=True)
    refresh("bench", python)


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Quality beside other libraries and simple rules.")
    parser.add_argument("protocols", nargs="*", metavar="PROTOCOL", help=", ".join(PROTOCOLS))
    parser.add_argument("--data", type=Path, metavar="DIR", help="a folder for each data set but the demo's")
    parser.add_argument("--fast", action="store_true", help="without the peers")
    parser.add_argument("--deep", action="store_true", help="the deep tier too")
    options = parser.parse_args(given)
    if unknown := [name for name in options.protocols if name not in PROTOCOLS]:
        parser.error(f"unknown: {', '.join(unknown)}; the protocols are {', '.join(PROTOCOLS)}")
    return options


def main() -> None:
    """Print every protocol's table."""
    options = arguments()
    if not options.fast:
        environment()
    for name in options.protocols or PROTOCOLS:
        protocol = PROTOCOLS[name]
        if protocol.data == "demo":
            data = sample_data.prepare(REPOSITORY / ".local" / "demo").interactions.parent
        elif options.data is None or not (options.data / protocol.data).is_dir():
            print(f"\n{protocol.title}: left out; it needs --data DIR with a folder {protocol.data}")
            continue
        else:
            data = options.data / protocol.data
        show(protocol, measure(protocol, data, fast=options.fast, deep=options.deep))


if __name__ == "__main__":
    main()
