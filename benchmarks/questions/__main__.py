# SPDX-License-Identifier: Apache-2.0
"""Ask, compare, and say which rows fail."""

import argparse
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from personalize_local.wire.errors import TrainingRefused

from benchmarks.harness import REPOSITORY
from benchmarks.questions import planted, sets, table
from benchmarks.questions.catalogue import ANSWERED, QUESTIONS, Question, tiers
from benchmarks.questions.figures import gain
from benchmarks.questions.sets import SETS, Set
from benchmarks.questions.shop import MOST, Half, Shop
from benchmarks.questions.table import Part, Row

QUICK = 300
"""Users that `--quick` asks."""
OPENINGS = Path(__file__).parent / "openings.md"


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.questions", description="Recipes beside plain rules.")
    names = [*QUESTIONS, "likelihood"]
    parser.add_argument("--question", nargs="+", default=[], choices=names, metavar="Q", help=", ".join(names))
    parser.add_argument("--set", nargs="+", default=[], choices=SETS, metavar="S", help=", ".join(SETS))
    parser.add_argument("--recipe", nargs="+", default=[], choices=ANSWERED, metavar="R", help=", ".join(ANSWERED))
    parser.add_argument("--tier", nargs="+", default=[], metavar="T", help="default: fast and the recipe's default")
    parser.add_argument("--data", type=Path, metavar="DIR", help="a folder for each public set")
    parser.add_argument("--quick", action="store_true", help=f"planted worlds unless --set, and --users {QUICK}")
    parser.add_argument("--users", type=int, metavar="N", help=f"ask at most so many; {MOST}")
    parser.add_argument("--seed", type=int, help="of the planted worlds")
    parser.add_argument("--validation", action="store_true", help="one cut back: the one to tune on")
    parser.add_argument("--open", action="store_true", help="look at the other half, and write that down")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    options = parser.parse_args(given)
    if options.open and (options.validation or options.seed is not None):
        parser.error("--open looks at the test with seeds of its own")
    return options


def parts(options: argparse.Namespace, seed: int) -> Iterator[Part]:
    """Yield what is measured, set by set; `seed` is that of the planted worlds."""
    for spec in _sets(options):
        chosen = [
            QUESTIONS[name] for name in spec.questions
            if (not options.question or name in options.question) and _recipes(QUESTIONS[name], options)
        ]  # fmt: skip
        if not chosen:
            continue
        _progress(f"reading {spec.name}")
        tables = sets.load(spec, options.data, seed)
        if tables is None:
            print(f"\n{spec.name}: left out; it needs --data DIR with a folder {spec.folder}")
            continue
        most = options.users or (QUICK if options.quick else MOST)
        shop = Shop(spec, tables, Half(options.open), int(options.validation), most)
        for question in chosen:
            yield _part(shop, question, options)
        shop.forget()


def _sets(options: argparse.Namespace) -> list[Set]:
    if options.set:
        return [SETS[name] for name in options.set]
    return [set_ for set_ in SETS.values() if set_.judged and (not options.quick or set_.name in planted.WORLDS)]


def _recipes(question: Question, options: argparse.Namespace) -> list[str]:
    return [name for name in question.recipes if not options.recipe or name in options.recipe]


def _part(shop: Shop, question: Question, options: argparse.Namespace) -> Part:
    _progress(f"{shop.spec.name}: rules for {question.name}")
    rules = question.rules(shop, question.name)
    best = next(rule for rule in rules if rule.best)
    pick = min if question.loss else max
    hindsight = pick(rules, key=lambda rule: rule.sums.mean())
    variants = question.variants(shop)
    rows = []
    for recipe in _recipes(question, options):
        for tier in tiers(recipe, options.tier):
            first: Row | None = None
            for variant in variants:
                _progress(f"{shop.spec.name}: {recipe} {tier} {variant.name} for {question.name}")
                try:
                    sums, seconds = question.recipe(shop.weighing(variant.events), question.name, recipe, tier)
                except TrainingRefused as refused:
                    print(f"\n{shop.spec.name}: {recipe} {variant.name} is not trained: {refused}")
                    continue
                primary = recipe in question.primary and shop.spec.judged and variant.decides
                bound, gained, beside = question.bound, None, None
                most = (bound(best.sums.mean()), bound(best.sums.second_mean())) if bound else None
                if most is None:
                    gained, beside = (gain(sums, rule.sums, loss=question.loss) for rule in (best, hindsight))
                row = Row(question.name, shop.spec.name, recipe, tier, sums, gained, primary, seconds, most, beside)
                if variant.name:
                    held = gain(sums, first.sums, loss=question.loss) if first else None
                    row = replace(row, variant=variant.name, against_first=held)
                first = first or row
                rows.append(row)
    return Part(question.name, shop.spec.name, rules, rows)


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text:79.79s}", end="\r", file=sys.stderr, flush=True)
    else:
        print(text, file=sys.stderr, flush=True)


def _commit() -> str:
    """Return the commit that is measured."""
    describe = ("git", "describe", "--always", "--dirty")
    return subprocess.run(describe, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.strip()


def _log(parts: Sequence[Part], commit: str, seed: int) -> None:
    """Add an opening to the log: when, which commit, the seed, and all rows."""
    lines = ["", f"## {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {commit}, seed {seed}", "", "```"]
    lines += [line for part in parts for line in table.show(part)]
    lines += [*table.summary(parts), "```"]
    with OPENINGS.open("a", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def main() -> None:
    options = arguments()
    if "likelihood" in options.question:
        sys.exit("the likelihood has a bench of its own: python -m benchmarks.likelihood")
    commit = _commit() if options.open else ""
    if commit.endswith("-dirty"):
        sys.exit("--open measures a commit, so that the log says what was measured: commit your changes first")
    seed = secrets.randbelow(2**31) if options.open else options.seed or sets.SEED
    measured = []
    for part in parts(options, seed):
        measured.append(part)
        print("\n".join(table.show(part)), flush=True)
    print("\n".join(table.summary(measured)))
    if options.json:
        options.json.write_text(json.dumps(table.document(measured), indent=1) + "\n", encoding="utf-8")
    if options.open:
        _log(measured, commit, seed)
    sys.exit(1 if table.failed(measured) else 0)


if __name__ == "__main__":
    main()
