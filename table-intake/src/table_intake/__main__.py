# SPDX-License-Identifier: Apache-2.0
"""``table-intake check FILE`` and ``table-intake map FILE…``."""

import argparse
import os
import secrets
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from table_intake import (
    OF_ACTIONS,
    DataKind,
    Expected,
    IntakeError,
    Proposal,
    TableSettings,
    check_table,
    hash_id,
    open_file,
    problems,
    propose_settings,
    propose_together,
    sample_table,
)
from table_intake.settings import yaml_core
from table_intake.wording import counted

_SHOWN = 10
"""Refused rows that are shown."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 where the files are good, 1 where they are not, 2 where they cannot be read."""
    options = _parser().parse_args(arguments)
    try:
        return _check(options) if options.command == "check" else _map(options)
    except (IntakeError, OSError) as error:
        print(error, file=sys.stderr)
        return 2


def _check(options: argparse.Namespace) -> int:
    settings, path = _settings(options.settings), options.file
    kind: DataKind | None = options.kind
    if kind is None:
        with open_file(path) as table:
            proposal = propose_settings(sample_table(path.name, table), settings)
        if proposal is None:
            print(f"{path}: its columns do not say what it has: say --kind", file=sys.stderr)
            return 2
        kind = proposal.kind
    # Nobody else's hashes are like these: a check alone needs none that last.
    hashed = partial(hash_id, secrets.token_hex(32), path.name)
    expected = Expected(path.name, kind, "FULL", settings, hashed=hashed)
    with ExitStack() as stack:
        table = stack.enter_context(open_file(path, settings.file_settings(kind)))
        target = stack.enter_context((options.output or Path(os.devnull)).open("wb"))
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        checked = check_table(table, expected, target.write, scratch)
        findings = checked.findings
        print(f"{path.name}: {kind}, {counted(findings.rows, 'row')}, {findings.accepted:,} good")
        for note in findings.notes:
            print(f"  {note}")
        for reason in findings.reasons:
            first = reason.examples[0]
            print(f"  {reason.rows:,} refused: {first.told} (first: {findings.origins.describe(first.line)})")
        if options.rejects:
            options.rejects.write_bytes(checked.rejects.file(findings.origins))
    refused = problems(expected, findings)
    for problem in refused:
        print(f"  cannot be imported: {problem}")
    return int(bool(refused))


def _map(options: argparse.Namespace) -> int:
    settings, samples = _settings(options.settings), {}
    for path in options.files:
        with open_file(path) as table:
            samples[str(path)] = sample_table(path.name, table)
    proposals = propose_together(samples, settings, options.kind)
    for file, proposal in proposals.used:
        print(f"# {file.name} has {proposal.kind}: {file.judgement.because}")
        for line in _lines(proposal):
            print(line)
    for file, reason in proposals.left_out:
        print(f"# {file.name} is left out: {reason}")
    return int(bool(proposals.left_out))


def _lines(proposal: Proposal) -> Sequence[str]:
    return ["# it needs no settings"] if proposal.empty else proposal.lines()


def _settings(path: Path | None) -> TableSettings:
    if path is None:
        return TableSettings(domain="custom")
    try:
        return TableSettings.model_validate(yaml_core.load(path.read_text(encoding="utf-8")) or {})
    except (ValidationError, ValueError) as error:
        raise IntakeError(str(path), str(error)) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="table-intake", description="Read a retailer's tables whatever their format, and check every row."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="check every row of a file; write the good rows, and the others")
    check.add_argument("file", type=Path, metavar="FILE", help="CSV, Excel, JSON lines or Parquet, packed or not")
    check.add_argument("--output", type=Path, metavar="FILE", help="where to write the good rows, as CSV")
    check.add_argument("--rejects", type=Path, metavar="FILE", help="where to write the refused rows, with reasons")
    mapping = commands.add_parser("map", help="propose settings with which files can be read")
    mapping.add_argument("files", type=Path, nargs="+", metavar="FILE")
    kinds: tuple[DataKind, ...] = get_args(DataKind)
    mapped = [kind for kind in kinds if kind not in OF_ACTIONS]
    for command, choices in ((check, kinds), (mapping, mapped)):
        command.add_argument("--kind", choices=choices, help="what the rows are; told by columns without it")
        command.add_argument("--settings", type=Path, metavar="FILE", help="settings in YAML, as `map` proposes them")
    return parser


if __name__ == "__main__":
    sys.exit(main())
