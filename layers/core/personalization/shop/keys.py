# SPDX-License-Identifier: Apache-2.0
"""Parse keys of the drop bucket.

A file directly under `drops/<shop>/<kind>/` (or `…/incremental/`) is a drop. Files of a further folder are parts of one
drop, which begins with the folder's marker: `_SUCCESS` or a manifest. Settings and experiments lie beside the kinds,
and so do the exports, whose files are joined first.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from table_intake import DataKind, Mode

from personalization.core.errors import Rejected

Kind = Literal[DataKind, "settings", "experiments", "export", "nothing"]

SHOP_RULE = "1 to 30 characters out of a-z, 0-9 and -, beginning with a letter or digit"
SHOP = re.compile(r"[a-z0-9][a-z0-9-]{0,29}")
"""Shop names are part of Personalize's names, and keys and names must agree."""
LISTS = "lists"
"""The folder of files with users for batch jobs, which start nothing."""
EXPORT = "export"
"""The folder of exports: each has a folder of its own there, with the files that belong together, and a marker."""
SETTINGS_FILES = ("settings.yaml", "settings.yml", "settings.json")
"""The newest settings file counts; of files with the same second, the first one in this order."""
EXPERIMENTS_FILE = "experiments.yaml"
"""The file of experiments, which no run reads."""
SUCCESS = "_SUCCESS"
"""The marker of Spark and Hadoop: an empty file, written after the parts."""
INCREMENTAL = "incremental"
ENDINGS = (
    ".csv, .tsv, .txt, .json, .jsonl or .ndjson, each also with .gz, .zst or .zip; .gz, .zst or .zip alone; .xlsx or "
    ".parquet"
)
_ENDING = re.compile(r"\.((csv|tsv|txt|json|jsonl|ndjson)(\.(gz|zst|zip))?|xlsx|parquet)\Z", re.IGNORECASE)
_PACKED = re.compile(r"\.(gz|zst|zip)\Z", re.IGNORECASE)
_ANY_ENDING = re.compile(r"\.[a-z][a-z0-9]{0,7}\Z", re.IGNORECASE)
_DATA_KINDS: dict[str, DataKind] = {kind: kind for kind in get_args(DataKind)}
WITHOUT_RUN: tuple[Kind, ...] = ("nothing", "experiments")
"""The kinds that no run handles."""
_LAYOUT = (
    "drops/<shop>/<interactions|users|items|actions|action-interactions>/[incremental/]<file>, a folder of parts there "
    "with _SUCCESS or a manifest, files that belong together in drops/<shop>/export/<name>/ with one, or "
    "drops/<shop>/settings.yaml, .yml or .json, or drops/<shop>/experiments.yaml"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """A parsed key."""

    key: str
    kind: Kind
    shop: str = ""
    mode: Mode = "FULL"
    folder: str = ""
    """The folder of the parts, with its slash, where the key is their marker."""

    @property
    def data_kind(self) -> DataKind | None:
        """The object's dataset, or None for settings, exports and ignored keys."""
        return _DATA_KINDS.get(self.kind)

    @property
    def has_manifest(self) -> bool:
        """Whether the marker lists the parts."""
        return bool(self.folder) and is_manifest(self.key.removeprefix(self.folder))


def recognise(key: str) -> Drop:
    """Parse a key as EventBridge sends it (not URL-encoded).

    The kind is `nothing` for parts of a drop, lists of users for batch jobs, and keys outside `drops/`. So it is for
    folder markers (keys that end in `/`) and other tools' markers (names that begin with `_` or `.`).

    Raises:
        Rejected: the shop's name, the kind or the file's ending is unknown; the reason states the rule.
    """
    parts = key.split("/")
    name = parts[-1]
    begin = 4 if len(parts) > 4 and parts[2:4] != [EXPORT, INCREMENTAL] and parts[3] == INCREMENTAL else 3
    in_folder = len(parts) > begin + 1
    other = name[:1] in {"", "_", "."} and not (name == SUCCESS and in_folder)
    if parts[0] != "drops" or len(parts) < 2 or other:
        return Drop(key=key, kind="nothing")
    if len(parts) < 3:
        raise Rejected(key, f"keys are {_LAYOUT}")
    shop = parts[1]
    if not SHOP.fullmatch(shop):
        raise Rejected(key, f"the shop's name must be {SHOP_RULE}")
    if len(parts) == 3:
        if name in {*SETTINGS_FILES, EXPERIMENTS_FILE}:
            return Drop(key=key, kind="experiments" if name == EXPERIMENTS_FILE else "settings", shop=shop)
        raise Rejected(key, f"keys are {_LAYOUT}")
    if parts[2] == LISTS:
        return Drop(key=key, kind="nothing", shop=shop)
    if parts[2] == EXPORT:
        return _export(key, shop, parts)
    kind = _DATA_KINDS.get(parts[2])
    if kind is None:
        raise Rejected(key, f"the kind must be {', '.join(_DATA_KINDS)} or export, not {parts[2]}")
    mode: Mode = "INCREMENTAL" if begin == 4 else "FULL"
    if in_folder:
        marks = name == SUCCESS or is_manifest(name)
        return (
            Drop(key=key, kind=kind, shop=shop, mode=mode, folder=key.removesuffix(name))
            if marks
            else Drop(key=key, kind="nothing")
        )
    if is_manifest(name):
        raise Rejected(key, "a manifest belongs beside its parts, in a folder of their own under the kind")
    if not has_ending(name):
        raise Rejected(key, f"the file must end in {ENDINGS}")
    return Drop(key=key, kind=kind, shop=shop, mode=mode)


def _export(key: str, shop: str, parts: Sequence[str]) -> Drop:
    """Parse the key of a file of an export. Markers in its folders, as Spark writes them, are nothing."""
    if len(parts) < 5:
        raise Rejected(key, "the files of an export go into a folder of their own, drops/<shop>/export/<name>/")
    if len(parts) > 5 or not (parts[-1] == SUCCESS or is_manifest(parts[-1])):
        return Drop(key=key, kind="nothing")
    if parts[3] == INCREMENTAL:
        raise Rejected(key, "an export replaces what was there before: give its folder another name than incremental")
    return Drop(key=key, kind="export", shop=shop, folder=key.removesuffix(parts[-1]))


def has_ending(name: str) -> bool:
    """Tell whether a lone file can have this name."""
    plain = _PACKED.sub("", name)
    return _ENDING.search(name) is not None or (plain != name and _ANY_ENDING.search(plain) is None)


def is_part(name: str) -> bool:
    """Tell whether a part can have this name: with a known ending, or with none (Redshift, Hive, BigQuery)."""
    return has_ending(name) or not _ANY_ENDING.search(_PACKED.sub("", name))


def is_manifest(name: str) -> bool:
    """Tell whether a file's name is that of a manifest; Redshift puts the parts' common prefix before the word."""
    return name.endswith(("manifest", "manifest.json"))


def is_shop(name: str) -> bool:
    """Return whether a shop can have this name."""
    return SHOP.fullmatch(name) is not None
