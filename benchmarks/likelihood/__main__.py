# SPDX-License-Identifier: Apache-2.0
"""Judge the likelihood on the demo's data and on one more set."""

import argparse
import csv
import gzip
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from personalization.likelihood import training
from personalization.likelihood.histories import History, Reader

from benchmarks import likelihood
from benchmarks.harness import REPOSITORY
from benchmarks.likelihood import populations
from benchmarks.likelihood.customers import judge_customers
from benchmarks.likelihood.known_users import judge_known_users
from benchmarks.likelihood.models import DRAWS, HORIZON, WINDOWS, Plan, day
from benchmarks.likelihood.samples import samples
from benchmarks.likelihood.strangers import newcomers, strangers
from benchmarks.questions.planted import made
from local.demo import sample_data


def read(folder: Path) -> History:
    """Read a set; purchases with a coupon are purchases."""
    reader = Reader("Purchase", 1 << 40)
    purchases = (line.replace("PurchaseWithCoupon", "Purchase") for line in lines(folder, "interactions"))
    reader.interactions(purchases, csv.reader)
    reader.items(lines(folder, "items"), csv.reader)
    if any((folder / f"users.csv{end}").is_file() for end in ("", ".gz")):
        reader.users(lines(folder, "users"), csv.reader)
    return reader.history()


def lines(folder: Path, name: str) -> Iterator[str]:
    """Yield the lines of a CSV, plain or compressed."""
    plain = folder / f"{name}.csv"
    with plain.open(newline="") if plain.is_file() else gzip.open(f"{plain}.gz", "rt", newline="") as file:
        yield from file


def planted(seed: int) -> History:
    """Return the world in which the users' demographics decide what they buy."""
    world = made("demographics", seed)
    reader = Reader("Purchase", 1 << 40)
    for take, table in (
        (reader.interactions, world.interactions),
        (reader.items, world.items),
        (reader.users, world.users),
    ):
        assert table is not None  # noqa: S101
        take(table.write_csv().splitlines(keepends=True), csv.reader)
    return reader.history()


def judge(name: str, whole: History, plan: Plan) -> None:
    begins = populations.starts(whole, HORIZON, plan.windows, plan.later)
    sizes = f"{len(whole.users):,} users, {len(whole.items):,} items, {int(whole.bought.sum()):,} purchases"
    print(f"\n{name}: {sizes}")
    print(f"{plan.windows} windows of {HORIZON} days from {day(begins[0])}" + (" (validation)" if plan.later else ""))
    for population, judged in (
        ("strangers", strangers),
        ("newcomers", newcomers),
        ("known", judge_known_users),
        ("customers", judge_customers),
    ):
        if population in plan.judged:
            try:
                judged(whole, plan, print)
            except training.TooLittle as little:
                print(f"\n{population}: a window has too little before it: a fit {little}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(likelihood.__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", nargs="?", default=os.environ.get("LIKELIHOOD_DATA", ""), help="one more set")
    parser.add_argument("--validation", action="store_true", help="the eight windows before the judged ones")
    parser.add_argument("--samples", action="store_true", help="fits on samples of the users, as in shards")
    parser.add_argument("--windows", type=int, default=WINDOWS, help="fewer, for a quick look")
    parser.add_argument("--draws", type=int, default=DRAWS, help="of strangers")
    parser.add_argument("--only", choices=Plan().judged, help="one of the populations")
    parser.add_argument("--no-demo", action="store_true", help="without the demo's data")
    parser.add_argument("--no-planted", action="store_true", help="without the world in which demographics decide")
    parser.add_argument("--seed", type=int, default=1, help="of that world")
    options = parser.parse_args()
    later = WINDOWS if options.validation else 0
    plan = Plan(options.windows, later, options.draws, (options.only,) if options.only else Plan().judged)
    folders = [Path(options.folder)] if options.folder else []
    if not options.no_demo:
        folders.append(sample_data.prepare(REPOSITORY / ".local" / "demo").interactions.parent)
    for folder in folders:
        if options.samples:
            samples(read(folder), plan, print)
        else:
            judge(folder.name, read(folder), plan)
    if not options.no_planted and not options.samples:
        judge("planted demographics", planted(options.seed), replace(plan, later=0, attributes_decide=True))


if __name__ == "__main__":
    main()
