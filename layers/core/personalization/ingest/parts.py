# SPDX-License-Identifier: Apache-2.0
"""The parts of a folder that was dropped: its files as they were when its marker was written.

What arrives after the marker waits for the next one. The first check of a marker stores which versions it means, so
that every later check and every function reads the same bytes.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import AliasPath, BaseModel, Field, ValidationError
from table_intake.read.parts import Parts, SourcePart, named
from table_intake.wording import Text, codes, restored

from personalization.core.aws import objects
from personalization.core.aws.objects import Stored
from personalization.core.errors import Rejected
from personalization.shop import keys
from personalization.shop.keys import Drop

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MOST_PARTS = 10_000
"""Parts of one drop: each costs a request, and a copy in the bucket."""
_MANIFEST_BYTES = 16 << 20
_DELTA_LOG = "_delta_log"


class _Entry(BaseModel):
    """A part in a manifest: ours by `key` and `size`, Redshift's by `url` and `meta`."""

    key: str = ""
    url: str = ""
    size: int | None = None
    length: int | None = Field(default=None, validation_alias=AliasPath("meta", "content_length"))


class _Column(BaseModel):
    name: str


class _Manifest(BaseModel):
    """A list of parts: Redshift's, which names the columns if it is VERBOSE, or our own."""

    entries: list[_Entry]
    columns: list[str] = []
    elements: list[_Column] = Field(default=[], validation_alias=AliasPath("schema", "elements"))


@dataclass(slots=True, kw_only=True)
class _Folder:
    """The files of a folder as of its marker."""

    any_file: bool = False
    """Whether a part may have any name, and lie in a further folder: those of an export may."""
    parts: dict[str, Stored] = field(default_factory=dict)
    late: list[str] = field(default_factory=list)
    """Names of parts that came after the marker."""
    replaced: list[str] = field(default_factory=list)
    """Names of parts with newer content than at the marker."""
    deleted: list[str] = field(default_factory=list)
    """Names of parts that were deleted after the marker."""
    others: list[str] = field(default_factory=list)
    """Names of files that are not parts."""
    markers: list[str] = field(default_factory=list)
    nested: list[str] = field(default_factory=list)
    """Names of files in further folders."""
    is_delta: bool = False


def list_parts(client: "S3Client", bucket: str, drop: Drop, version_id: str | None) -> Parts:
    """Return the parts of a folder that was dropped; `version_id` is its marker's.

    Raises:
        Rejected: the folder has no parts, too many, other files, or other parts than its manifest says. The reason
            names them.
    """
    pins = pins_key(drop, version_id)
    pinned = objects.get_json(client, bucket, pins) if version_id else None
    if pinned is not None:
        return _unpack(restored(pinned, pinned.pop("texts", {})))
    folder = _listed(client, bucket, drop, version_id)
    text = objects.read_small(client, bucket, drop.key, _MANIFEST_BYTES, version_id) if drop.has_manifest else None
    manifest = _parse(drop, text[1]) if text else None
    problems = [*_problems(drop, folder), *(_differences(bucket, drop, manifest, folder) if manifest else [])]
    if problems:
        raise Rejected(drop.key, Text.joined("; ", problems))
    parts = Parts(_in_order(folder), _columns(manifest), tuple(_notes(folder)))
    if version_id:
        objects.put_json(client, bucket, pins, {**asdict(parts), "texts": codes(parts.notes)})
    return parts


def pins_key(drop: Drop, version_id: str | None) -> str:
    """Return the key of the list of parts that the version of a marker means."""
    identity = hashlib.sha256(f"{drop.key}\0{version_id or ''}".encode()).hexdigest()[:16]
    return f"reports/{drop.shop}/parts/{identity}.json"


def _unpack(document: Mapping[str, list[Mapping[str, str]] | list[str]]) -> Parts:
    every = tuple(SourcePart(**part) for part in document["every"])  # type: ignore[arg-type]
    notes = tuple([note for note in document["notes"] if isinstance(note, str)])
    return Parts(every, tuple(map(str, document["columns"])), notes)


def _listed(client: "S3Client", bucket: str, drop: Drop, version_id: str | None) -> _Folder:
    """Return the folder's files as of the marker, and what came of them since."""
    histories: dict[str, list[Stored]] = {}
    for stored in objects.list_histories(client, bucket, drop.folder):
        histories.setdefault(stored.key.removeprefix(drop.folder), []).append(stored)
    marker = next(
        stored
        for stored in histories[drop.key.removeprefix(drop.folder)]
        if not stored.deletion and version_id in {None, stored.id}
    )
    # Without versions nothing tells what a part was before.
    written = datetime.max.replace(tzinfo=UTC) if marker.id is None else marker.modified
    folder = _Folder(any_file=drop.kind == "export")
    for name, history in sorted(histories.items()):
        _sort_in(folder, name, history, written)
    return folder


def _sort_in(folder: _Folder, name: str, history: list[Stored], written: datetime) -> None:
    """Add a file with its history, newest first, to a folder whose marker was written at a time."""
    now = history[0]
    then = next((version for version in history if version.modified <= written), None)
    exists = not now.deletion
    if name.split("/", maxsplit=1)[0] == _DELTA_LOG:
        folder.is_delta = folder.is_delta or exists
    elif not name or name.endswith("/"):
        return
    elif "/" not in name and (name == keys.SUCCESS or keys.is_manifest(name)):
        folder.markers += [name] * exists
    elif any(part[:1] in {"_", "."} for part in name.split("/")):
        return
    elif then is None or then.deletion:
        folder.late += [name] * exists
    elif not exists:
        folder.deleted.append(name)
    elif "/" in name and not folder.any_file:
        folder.nested.append(name)
    elif not keys.is_part(name) and not folder.any_file:
        folder.others.append(name)
    else:
        folder.parts[name] = then
        folder.replaced += [name] * (now != then)


def _problems(drop: Drop, folder: _Folder) -> list[str]:
    """Return why the files of a folder are not a drop."""
    problems = list[str]()
    if folder.is_delta:
        text = "it is a Delta table, whose files include replaced rows: export it as Parquet or CSV"
        problems.append(Text("folder.delta", text))
    if len(folder.markers) > 1:
        text = "the folder has several markers ({names}): leave one of them"
        problems.append(Text("folder.markers", text, names=named(folder.markers)))
    if folder.nested:
        text = "in further folders: {names}; write all parts into one folder, without partitions"
        problems.append(Text("folder.nested", text, names=named(folder.nested)))
    if folder.others:
        text = "no parts, which end in {endings}, or have no ending: {names}"
        problems.append(Text("folder.others", text, endings=keys.ENDINGS, names=named(folder.others)))
    if folder.deleted:
        text = "deleted after the marker was written: {names}"
        problems.append(Text("folder.deleted", text, names=named(folder.deleted)))
    if len(folder.parts) > MOST_PARTS:
        text = "the folder has {parts:,} {parts:part|parts}; a drop may have {most:,}: write fewer and larger ones"
        problems.append(Text("folder.many", text, parts=len(folder.parts), most=MOST_PARTS))
    if not folder.parts and not problems and not drop.has_manifest:
        problems.append(_NO_PARTS)
    return problems


_NO_PARTS = Text("folder.empty", "there are no parts beside the marker: write it after them, into their folder")


def _parse(drop: Drop, text: bytes) -> _Manifest:
    """Return a manifest.

    Raises:
        Rejected: it has another form.
    """
    form = '{"entries": [{"key": "part-0.csv", "size": 123}, …]}, or as Redshift writes it'
    if len(text) > _MANIFEST_BYTES:
        words = "the manifest has more than {most} MB"
        raise Rejected(drop.key, Text("manifest.large", words, most=_MANIFEST_BYTES >> 20))
    try:
        return _Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        what = f"{where}: {first['msg']}" if where else first["msg"]
        words = "the manifest cannot be read ({error}); its form is {form}"
        raise Rejected(drop.key, Text("manifest.unreadable", words, error=what, form=form)) from None


def _differences(bucket: str, drop: Drop, manifest: _Manifest, folder: _Folder) -> list[str]:
    """Return how the parts differ from a manifest."""
    sizes: dict[str, int | None] = {}
    outside = []
    folders = {"".join(entry.url.rpartition("/")[:2]) for entry in manifest.entries}
    # Parts that were unloaded into another folder may be here with their manifest.
    unloaded = folders.pop() if len(folders) == 1 else ""
    for entry in manifest.entries:
        name = (entry.url or entry.key).removeprefix(unloaded)
        name = name.removeprefix(f"s3://{bucket}/").removeprefix(drop.folder)
        if ("/" in name and not folder.any_file) or not name:
            outside.append(entry.url or entry.key or "an entry without key or url")
        sizes[name] = entry.size if entry.size is not None else entry.length
    listed = [name for name in sizes if name and (folder.any_file or "/" not in name)]
    missing = [name for name in listed if name not in folder.parts and name not in folder.deleted]
    text = "{name} ({size:,} bytes, not {expected:,})"
    other = [
        Text("manifest.size", text, name=name, size=folder.parts[name].size, expected=sizes[name])
        for name in listed
        if name in folder.parts and sizes[name] not in {None, folder.parts[name].size}
    ]
    unlisted = [name for name in folder.parts if name not in sizes]
    differences = (
        (outside, "outside", "outside the manifest's folder: {names}"),
        (missing, "missing", "in the manifest, and not there when it was written: {names}"),
        (other, "sizes", "other sizes than in the manifest: {names}"),
        (unlisted, "unlisted", "missing in the manifest: {names}"),
    )
    problems: list[str] = [
        Text(f"manifest.{code}", text, names=named(names)) for names, code, text in differences if names
    ]
    return problems if manifest.entries else [*problems, Text("manifest.empty", "the manifest names no parts")]


def _columns(manifest: _Manifest | None) -> tuple[str, ...]:
    if manifest is None:
        return ()
    return tuple(manifest.columns or [column.name for column in manifest.elements])


def _in_order(folder: _Folder) -> tuple[SourcePart, ...]:
    return tuple(SourcePart(part.key, part.id, part.size, name) for name, part in sorted(folder.parts.items()))


def _notes(folder: _Folder) -> Iterable[str]:
    if folder.late:
        text = "came after the marker, and ignored until the next one: {names}"
        yield Text("folder.late", text, names=named(folder.late))
    if folder.replaced:
        text = "changed after the marker, and read as before until the next one: {names}"
        yield Text("folder.replaced", text, names=named(folder.replaced))
