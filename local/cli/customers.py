# SPDX-License-Identifier: Apache-2.0
"""``python -m local customers``: one file of all customers, with what they will probably buy."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import boto3
import polars as pl
from table_intake.write import dialect

from local.cli import commands
from local.cloud.environments import LocalError
from local.cloud.home import Home, access, require
from local.terminal.output import Terminal

JOB = "customers"
USER, CHANCE = "USER_ID", "PROBABILITY"


def main(options: Namespace, terminal: Terminal) -> int:
    """Have the file made, put its parts together, the likeliest first, and fetch its report.

    Raises:
        LocalError: the file cannot be written, or the job failed.
    """
    out = Path(options.out or f"customers-{options.shop}.csv")
    if out.is_dir() or not out.parent.is_dir():
        raise LocalError(f"{out} cannot be written: name a file in a folder that exists")
    exported, parts = commands.fetched_export(options, terminal, JOB, options.item)
    customers = together(parts, options.item)
    whole = out.with_name(f".{out.name}.part")
    customers.write_csv(whole, include_bom=True)  # spreadsheets read UTF-8 as another encoding without it
    whole.replace(out)
    state = require(Home(options.run_dir))
    page = Path(options.run_dir) / str(exported["report"])
    page.parent.mkdir(parents=True, exist_ok=True)
    boto3.client("s3", **access(state)).download_file(state.outputs["BucketName"], str(exported["report"]), str(page))
    paths = [str(path.resolve()) for path in (out, page)]
    terminal.result({**exported, "paths": paths}, lambda: terminal.export(exported, paths))
    return 0


def together(parts: Sequence[str], items: Sequence[str]) -> pl.DataFrame:
    """Return the rows of an export, the likeliest to buy the first item first, or to buy anything.

    Texts of Parquet, which has them as they are, get the apostrophe that those of a CSV have.
    """
    tables = [table(path) for path in parts if not Path(path).name.startswith("errors-")]
    likeliest = pl.col(f"{CHANCE}_{items[0]}" if items else CHANCE).cast(pl.Float64)
    return pl.concat(tables).sort(likeliest, pl.col(USER), descending=[True, False])


def table(path: str) -> pl.DataFrame:
    if not path.endswith(".parquet"):
        return pl.read_csv(path, infer_schema=False)
    return pl.read_parquet(path).with_columns(pl.col(pl.String).map_elements(dialect.inert, return_dtype=pl.String))
