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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from personalization.releases.ranking_metrics import (
    Answer,
    Bootstrap,
    Interval,
    discounted_gain,
    hit_rate,
    recall,
    relevant_last,
)
from personalize_local.recipes import training
from personalize_local.recipes.config import TrainingConfig

from benchmarks.harness import REPOSITORY
from benchmarks.peers import PEERS
from benchmarks.protocols import PROTOCOLS, SEED, Protocol
from benchmarks.questions.cases import Case
from benchmarks.questions.lists import K, by_model, by_rule
from benchmarks.questions.sets import tables
from local.cloud.environments import LOCAL, find_python, refresh
from local.demo import sample_data
from local.evaluation import splitting
from local.evaluation.comparison import tuned
from local.evaluation.counts import Counts
from local.evaluation.files import Tables
from local.evaluation.pasts import prepared
from local.evaluation.rules import AGAIN, CHAIN, FREQUENCY, POPULAR, RECENT, SPARE, TOGETHER, Options, Rule

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "LK_NUM_THREADS"), "1"
)
FOR_EVERYBODY = (POPULAR, RECENT)
RULES = (*FOR_EVERYBODY, AGAIN, FREQUENCY, TOGETHER, CHAIN)
TUNED = 400
"""Users that the rules' parameters are chosen on."""


@dataclass
class Result:
    """The lists of one method over all exams of a protocol, and what they took."""

    answers: list[Answer] = field(default_factory=list)
    training: float = 0.0
    """Processor seconds."""
    asking: float = 0.0


def ours(results: dict[str, Result], case: Case, tier: str) -> None:
    """User-Personalization in this process."""
    result = results.setdefault(f"User-Personalization {tier}", Result())
    begun = time.process_time()
    config = TrainingConfig(hyperparameters={"tier": tier})
    model = training.train("aws-user-personalization", case.past.snapshot, config).model
    trained = time.process_time()
    result.answers += by_model(case, model)
    result.training += trained - begun
    result.asking += time.process_time() - trained


def simple(results: dict[str, Result], case: Case, chosen: Mapping[Rule, Options]) -> None:
    """The simple rules."""
    counts = {case.name: Counts(case.past)}
    for rule, options in chosen.items():
        result = results.setdefault(rule.name, Result())
        begun = time.process_time()
        result.answers += by_rule([case], counts, rule, options)
        result.asking += time.process_time() - begun


def peer(results: dict[str, Result], case: Case, name: str, folder: Path) -> None:
    """A recommender of another library, in its environment; one that fails is named and left out."""
    task, target = folder / "task.npz", folder / "answers.npz"
    _write(case, task)
    command = [str(LOCAL / "bench" / "bin" / "python"), "-m", "benchmarks.peers", str(task), str(target), name]
    ended = subprocess.run(
        command, cwd=REPOSITORY, env={**os.environ, **ONE_THREAD}, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        print(f"{name}: {(ended.stderr.strip().splitlines() or ['it was killed'])[-1]}")
        return
    answers, items = np.load(target), case.past.snapshot.items
    listed = zip(answers["items"].tolist(), answers["scores"].tolist(), case.questions, strict=True)
    result = results.setdefault(name, Result())
    for places, scores, question in listed:
        pairs = [(items[position], score) for position, score in zip(places, scores, strict=True) if score > -np.inf]
        result.answers.append(Answer(relevant_last(pairs, question.relevant)[:K], question.relevant))
    result.training, result.asking = answers["seconds"].tolist()


def _write(case: Case, path: Path) -> None:
    """The task as the peers read it."""
    past = case.past
    number = {item: position for position, item in enumerate(past.snapshot.items.tolist())}
    histories = [
        [number[row.item_id] for row in question.query.history if row.item_id in number] for question in case.questions
    ]
    np.savez(
        path,
        user=past.rows.user,
        item=past.rows.item,
        users=len(past.snapshot.users),
        items=len(past.snapshot.items),
        history=np.array([item for history in histories for item in history], np.int64),
        starts=np.cumsum([0, *map(len, histories)]),
        question_users=np.array([past.numbers[question.user] for question in case.questions]),
        new=case.among == "new",
        limit=K + SPARE,
    )


def parameters(case: Case, given: Tables, rules: Iterable[Rule]) -> dict[Rule, Options]:
    """The rules' parameters, chosen on the newest part of the past."""
    before = splitting.earlier(case.past.split, None)
    if before is None:
        return {rule: rule.usual for rule in rules}
    past = prepared(given, before, TrainingConfig())
    users = sorted(before.tests.keys() & past.active)[:TUNED]
    questions, counts = [past.question(user, before.tests[user]) for user in users], Counts(past)
    return {rule: tuned(rule, counts, questions, K, new=case.among == "new") for rule in rules}


def measure(protocol: Protocol, data: Path, *, fast: bool, deep: bool) -> dict[str, Result]:
    """All methods on one protocol."""
    results: dict[str, Result] = {}
    with tempfile.TemporaryDirectory(prefix="quality-") as scratch:
        given = tables(data, Path(scratch) / "files")
        chosen: dict[Rule, Options] = {}
        for case in protocol.cases(given):
            chosen = chosen or parameters(case, given, FOR_EVERYBODY if protocol.cold else RULES)
            simple(results, case, chosen)
            for tier in _tiers(protocol, fast=fast, deep=deep):
                ours(results, case, tier)
            if not protocol.cold and not fast:
                for name in PEERS:
                    peer(results, case, name, Path(scratch))
    return results


def _tiers(protocol: Protocol, *, fast: bool, deep: bool) -> Sequence[str]:
    if protocol.cold:
        return ("fast",) if fast else ("fast", "standard")
    return ("fast", "standard", "deep") if deep else ("fast", "standard")


def show(protocol: Protocol, results: Mapping[str, Result]) -> None:
    """Print a protocol's table."""
    total = len(next(iter(results.values())).answers)
    print(f"\n{protocol.title}: {protocol.description}; n = {total:,}, seed {SEED}")
    bootstrap = Bootstrap(total, SEED)
    gains = {name: [discounted_gain(answer, K) for answer in result.answers] for name, result in results.items()}
    best = max((rule.name for rule in RULES if rule.name in results), key=lambda name: sum(gains[name]))
    titles = ("", "HR@10", "Recall@10", "NDCG@10", "95 %", f"gain on {best}", "train", "answer")
    print("{:29s} {:>6s} {:>9s} {:>8s} {:>13s} {:>38s} {:>9s} {:>9s}".format(*titles))
    for name, result in results.items():
        hits, recalled = (sum(metric(answer, K) for answer in result.answers) / total for metric in (hit_rate, recall))
        value, low, high = bootstrap.interval(gains[name])
        gain, answer = _gain(bootstrap.ratio(gains[name], gains[best])), 1e3 * result.asking / total
        print(f"{name:29s} {hits:6.4f} {recalled:9.4f} {value:8.4f} {low:6.4f}-{high:6.4f} {gain:>38s}", end="")
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
