# SPDX-License-Identifier: Apache-2.0
"""``python -m local map``: propose the settings that files need, as lines to paste or a file to drop."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import boto3
from personalization.core.errors import Rejected
from personalization.shop import keys
from personalization.shop.settings.settings import ShopSettings, parse
from table_intake import DataKind, Proposal, Refused, propose_together
from table_intake.propose.together import personal_ids
from table_intake.settings import yaml_core
from table_intake.wording import Text

from local.cloud.home import Home, access, require
from local.evaluation import samples
from local.evaluation.samples import BadFile
from local.start import document, files, screen
from local.start.outlook import Outlook, as_json, look, question_json
from local.terminal.output import Terminal


def main(options: Namespace, terminal: Terminal) -> int:
    """Propose settings for the files that were named. Raises BadFile."""
    path, text = _settings(options)
    try:
        settings = parse(path, text)
    except Rejected as refused:
        raise BadFile(f"{path}: {refused.reason}") from None
    terminal.language = options.language or settings.language
    if (outlook := _together(options, settings, as_json=terminal.as_json)) is not None:
        terminal.language = outlook.language
        terminal.page(screen.drawn(outlook, terminal.words), aside=True)
        proposed = document.proposed(outlook, terminal.words)
        if options.write is not None:
            _write(options.write, proposed.splitlines())
            text = "written to {path}: read it, then give it to `start` with --settings"
            terminal.note(Text("start.proposal-written", text, path=options.write))
        result = {
            **as_json(outlook),
            "settings": outlook.settings,
            "questions": [*map(question_json, outlook.questions)],
        }
        terminal.result(result, lambda: None if options.write else terminal.line(proposed))
        return int(any(not left.columns for left in outlook.left_out))
    taken = {str(path): samples.read(path, settings, options.kind) for path in options.files}
    proposals = propose_together(taken, settings, options.kind)
    for file, proposal in proposals.used:
        told = Text(f"map.has-{proposal.kind}", f"{{file}} has {proposal.kind}", file=file.name)
        if proposal.empty:
            told = Text("map.nothing", "{told}, and needs no settings", told=told)
        if options.kind is None:
            told = Text("map.because", "{told}: {reason}", told=told, reason=file.judgement.because)
            told = Text.joined("; ", [told, file.judgement.otherwise]) if file.judgement.otherwise else told
        terminal.note(told)
        if personal := personal_ids(file.sample, proposal):
            sentence = (
                "{file}: the ids of users look like {what}. They are personal data, and will stand in Personalize, in "
                "the bucket and in reports: take the customer's number where there is one, or name their column "
                "in the setting hash, and a keyed hash stands for each"
            )
            terminal.note(Text("map.personal", sentence, file=file.name, what=personal))
    for file, reason in proposals.left_out:
        terminal.note(Text("map.left-out", "{file} is left out: {reason}", file=file.name, reason=reason))
    documents: list[dict[str, object]] = [
        {
            "file": file.path,
            "kind": proposal.kind,
            "because": file.judgement.because if options.kind is None else "--kind says so",
            "otherwise": file.judgement.otherwise if options.kind is None else "",
            "settings": proposal.document(),
            "choices": [*proposal.choices, *proposal.options],
            "remarks": proposal.remarks,
            "missing": proposal.missing,
        }
        for file, proposal in proposals.used
    ]
    documents += [
        {"file": file.path, "kind": file.judgement.kind, "leftOut": reason} for file, reason in proposals.left_out
    ]
    lines = _lines(yaml_core.load(text) or {}, [proposal for _, proposal in proposals.used], terminal.words)
    if options.write is not None and lines:
        _write(options.write, lines)
        sentence = "written to {path}: read it, then drop it with your files by --settings"
        terminal.note(Text("map.written", sentence, path=options.write))
    terminal.result(documents, lambda: terminal.line("\n".join(lines)) if lines and not options.write else None)
    return int(bool(proposals.left_out))


def _together(options: Namespace, settings: ShopSettings, *, as_json: bool) -> Outlook | None:
    """Return what files are as one export; None where each is mapped by itself.

    Raises:
        BadFile: a file cannot be read, or files of several tables are no export.
    """
    if options.kind is not None:
        return None
    named = files.named(options.files)
    sources = files.tables(named)
    # Settings that name a sheet, or a file of a zip, say which table it is.
    sections = [settings.file_settings(kind) for kind in get_args(DataKind)]
    chosen = any(section.sheet or section.member for section in sections)
    several = not chosen and any(source.inside for source in sources.values())
    if not several and (as_json or len(named) == 1):
        return None
    try:
        return look(files.take(named, sources), settings, ())
    except Refused as refused:
        if several:
            raise files.refusal(refused) from None
        return None


def _settings(options: Namespace) -> tuple[str, str]:
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
    settings_keys = {f"drops/{options.shop}/{name}" for name in keys.SETTINGS_FILES}
    there = sorted(
        (content["LastModified"], content["Key"])
        for content in listed.get("Contents", [])
        if content["Key"] in settings_keys
    )
    if not there:
        return "settings.yaml", ""
    key = there[-1][1]
    return key, s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode("utf-8-sig")


def _lines(current: dict[str, object], proposals: list[Proposal], words: Callable[[str], str]) -> list[str]:
    """Return the lines of a settings file: what the shop has, and what is proposed."""
    changed = {name for proposal in proposals for name in proposal.document()}
    unchanged = {name: value for name, value in current.items() if name not in changed}
    text = yaml_core.dump(unchanged) if unchanged else ""
    return [*text.splitlines(), *(line for proposal in proposals for line in proposal.lines(words))]


def _write(path: Path, lines: list[str]) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write("\n".join([*lines, ""]))
    except FileExistsError:
        raise BadFile(f"{path} is there already: write to another file") from None
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror or error}") from None
