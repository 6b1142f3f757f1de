# SPDX-License-Identifier: Apache-2.0
"""What a key of the drop bucket means: `drops/<shop>/<kind>/…/<file>.csv[.gz]`, or the shop's settings."""

import re
from dataclasses import dataclass
from typing import Literal

from personalization.core.errors import Rejected

DataKind = Literal["interactions", "users", "items"]
Kind = Literal["interactions", "users", "items", "settings", "nothing"]
Mode = Literal["FULL", "INCREMENTAL"]

SHOP_RULE = "1 to 30 characters out of a-z, 0-9 and -, beginning with a letter or digit"
SHOP = re.compile(r"[a-z0-9][a-z0-9-]{0,29}")
"""The whole of a shop's name: it becomes part of Personalize's names, and keys and names must agree."""
SETTINGS_FILES = ("settings.yaml", "settings.yml", "settings.json")
"""Of those that a shop has, the newest holds; of the same second, the one that comes first here."""
_DATA_KINDS: dict[str, DataKind] = {"interactions": "interactions", "users": "users", "items": "items"}
_LAYOUT = "drops/<shop>/<interactions|users|items>/<file>.csv or .csv.gz, or drops/<shop>/settings.yaml, .yml or .json"


@dataclass(frozen=True, slots=True)
class Drop:
    """One object of the bucket, understood."""

    key: str
    kind: Kind
    shop: str = ""
    mode: Mode = "FULL"
    compressed: bool = False

    @property
    def data_kind(self) -> DataKind | None:
        """The dataset that the object is for, or None for settings and for nothing."""
        return _DATA_KINDS.get(self.kind)


def recognise(key: str) -> Drop:
    """Read a key as EventBridge gives it (not URL-encoded).

    Folder markers (a key that ends in `/`), keys outside `drops/`, and files whose names begin with `_` or `.`
    (markers that other tools leave behind) are nothing.

    Raises:
        Rejected: the shop's name, the kind or the file's ending is not one that we know; the reason is the rule.
    """
    parts = key.split("/")
    if parts[0] != "drops" or len(parts) < 2 or parts[-1][:1] in {"", "_", "."}:
        return Drop(key, "nothing")
    if len(parts) < 3:
        raise Rejected(key, f"keys are {_LAYOUT}")
    shop, file = parts[1], parts[-1]
    if not SHOP.fullmatch(shop):
        raise Rejected(key, f"the shop's name must be {SHOP_RULE}")
    if len(parts) == 3:
        return _settings(key, shop, file)
    return _data(key, shop, parts[2:])


def is_shop(name: str) -> bool:
    """Whether a shop can have this name."""
    return SHOP.fullmatch(name) is not None


def _settings(key: str, shop: str, file: str) -> Drop:
    if file in SETTINGS_FILES:
        return Drop(key, "settings", shop)
    raise Rejected(key, f"keys are {_LAYOUT}")


def _data(key: str, shop: str, parts: list[str]) -> Drop:
    kind = _DATA_KINDS.get(parts[0])
    if kind is None:
        raise Rejected(key, f"the kind must be interactions, users or items, not {parts[0]}")
    file = parts[-1].lower()
    if not file.endswith((".csv", ".csv.gz")):
        raise Rejected(key, "the file must end in .csv or .csv.gz")
    mode: Mode = "INCREMENTAL" if parts[-2] == "incremental" else "FULL"
    return Drop(key, kind, shop, mode, compressed=file.endswith(".gz"))
