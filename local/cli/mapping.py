# SPDX-License-Identifier: Apache-2.0
"""``python -m local map``: propose the settings that files need, as lines to paste or a file to drop."""

import re
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import boto3
from personalization.core.errors import Rejected
from personalization.shop import keys
from personalization.shop.settings import ShopSettings, parse
from table_intake.columns.header import canonical
from table_intake.kinds import DataKind
from table_intake.propose.propose import Ids, Judgement, Proposal, Sample, judge, propose
from table_intake.settings import yaml_core

from local.cloud.home import Home, access, require
from local.evaluation import samples
from local.evaluation.samples import BadFile
from local.terminal.output import Terminal

_SHOWN = 8
"""Columns named in a message."""
_PERSONAL = {
    "e-mail addresses": re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+"),
    "phone numbers": re.compile(r"(?:\+|00?[1-9]|\(0)(?:[\s()./-]*\d){6,14}"),
}
"""Forms of ids that are personal data."""


def main(options: Namespace, terminal: Terminal) -> int:
    """Propose settings for the files that were named. Raises BadFile."""
    own, text = _own(options)
    try:
        settings = parse(own, text)
    except Rejected as refused:
        raise BadFile(f"{own}: {refused.reason}") from None
    files = [
        _File(path, taken := samples.read(path, settings, options.kind), judge(taken, settings))
        for path in options.files
    ]
    used, left_out = _sorted_out(files, settings, options.kind)
    for file, proposal in used:
        needs = ", and needs no settings" if proposal.empty else ""
        reason = f": {file.judgement.because}" if options.kind is None else ""
        doubt = f"; {file.judgement.otherwise}" if options.kind is None and file.judgement.otherwise else ""
        terminal.note(f"{file.path.name} has {proposal.kind}{needs}{reason}{doubt}")
        if personal := _personal(file.taken, proposal):
            terminal.note(
                f"{file.path.name}: the ids of users look like {personal}. They are personal data, and will stand in "
                "Personalize, in the bucket and in reports: take the customer's number where there is one, or let the "
                "shop replace them by ids of its own, the same in every file and every request"
            )
    for file, reason in left_out:
        terminal.note(f"{file.path.name} is left out: {reason}")
    documents: list[dict[str, object]] = [
        {
            "file": str(file.path),
            "kind": proposal.kind,
            "because": file.judgement.because if options.kind is None else "--kind says so",
            "otherwise": file.judgement.otherwise if options.kind is None else "",
            "settings": proposal.document(),
            "choices": [*proposal.choices, *proposal.options],
            "remarks": proposal.remarks,
            "missing": proposal.missing,
        }
        for file, proposal in used
    ]
    documents += [{"file": str(file.path), "kind": file.judgement.kind, "leftOut": reason} for file, reason in left_out]
    lines = _lines(yaml_core.load(text) or {}, [proposal for _, proposal in used])
    if options.write is not None and lines:
        _write(options.write, lines)
        terminal.note(f"written to {options.write}: read it, then drop it with your files by --settings")
    terminal.result(documents, lambda: terminal.line("\n".join(lines)) if lines and not options.write else None)
    return int(bool(left_out))


def _personal(taken: Sample, proposal: Proposal) -> str:
    """Return what of a person the ids of users are; "" where they are neither."""
    ids = [value.strip() for value in taken.ids(proposal).get("USER_ID", ()) if value.strip()]
    for what, pattern in _PERSONAL.items():
        if ids and sum(pattern.fullmatch(value) is not None for value in ids) >= len(ids) / 2:
            return what
    return ""


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    taken: Sample
    judgement: Judgement


def _sorted_out(
    files: Sequence[_File], settings: ShopSettings, kind: DataKind | None
) -> tuple[list[tuple[_File, Proposal]], list[tuple[_File, str]]]:
    """Return the files for which settings are proposed, one of a kind, and the others, each with the reason."""
    ids: Ids = {}
    proposed: dict[DataKind, list[tuple[_File, Proposal]]] = {}
    left_out: list[tuple[_File, str]] = []
    # Files of interactions come first: their ids tell the keys of the others.
    for file in sorted(files, key=lambda file: (kind or file.judgement.kind) != "interactions"):
        proposal = propose(file.taken, settings, kind, ids) if kind or file.judgement.kind else None
        if proposal is None:
            left_out.append((file, _unknown(file, files)))
            continue
        proposed.setdefault(proposal.kind, []).append((file, proposal))
        if proposal.kind == "interactions":
            ids = ids or file.taken.ids(proposal)
    used = []
    for same_kind, several in proposed.items():
        best = min(several, key=lambda pair: (len(pair[1].missing), bool(pair[0].judgement.otherwise)))
        used.append(best)
        left_out += [
            (file, f"it has {same_kind}, as {best[0].path.name} has ({file.judgement.because}). Map it by itself")
            for file, _ in several
            if file is not best[0]
        ]
    return used, left_out


def _unknown(file: _File, files: Sequence[_File]) -> str:
    """Return why nothing can be proposed for a file; of lines of orders, which file has the orders."""
    judgement, taken = file.judgement, file.taken
    if judgement.order is None:
        columns = ", ".join(taken.header[:_SHOWN])
        return f"{judgement.because}. Its first row ({columns}) must name its columns; or say so with --kind"
    name, ids = taken.header[judgement.order], set(taken.column(judgement.order)) - {""}
    for other in files:
        for index, theirs in enumerate(other.taken.header):
            is_key = canonical(theirs) in {canonical(name), "ID"} and other.judgement.kind == "interactions"
            keys = set(other.taken.column(index)) if is_key else set()
            if 2 * len(ids & keys) >= min(len(ids), len(keys)) > 0:
                way = f"Its {name} is the {theirs} of {other.path.name}: join the two by it"
                return f"{judgement.because}. {way}, and map the file that you get"
    return f"{judgement.because}. Join it with the file that has the orders by {name}, and map the file that you get"


def _own(options: Namespace) -> tuple[str, str]:
    """Return the name and the text of the settings that the shop has; "" where it has none."""
    if options.settings is not None:
        try:
            return options.settings.name, options.settings.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise BadFile(f"{options.settings}: {error}") from None
    if options.shop is None:
        return "settings.yaml", ""
    state = require(Home(options.run_dir))
    s3 = boto3.client("s3", **access(state))
    listed = s3.list_objects_v2(
        Bucket=(bucket := state.outputs["BucketName"]), Prefix=f"drops/{options.shop}/settings."
    )
    mine = {f"drops/{options.shop}/{name}" for name in keys.SETTINGS_FILES}
    there = sorted((each["LastModified"], each["Key"]) for each in listed.get("Contents", []) if each["Key"] in mine)
    if not there:
        return "settings.yaml", ""
    key = there[-1][1]
    return key, s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode("utf-8-sig")


def _lines(own: dict[str, object], proposals: list[Proposal]) -> list[str]:
    """Return the lines of a settings file: what the shop has, and what is proposed."""
    changed = {name for proposal in proposals for name in proposal.document()}
    kept = {name: value for name, value in own.items() if name not in changed}
    text = yaml_core.dump(kept) if kept else ""
    return [*text.splitlines(), *(line for proposal in proposals for line in proposal.lines())]


def _write(path: Path, lines: list[str]) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write("\n".join([*lines, ""]))
    except FileExistsError:
        raise BadFile(f"{path} is there already: write to another file") from None
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror or error}") from None
