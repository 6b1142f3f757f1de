# SPDX-License-Identifier: Apache-2.0
"""Parse keys of the drop bucket: `drops/<shop>/<kind>/…/<file>.csv[.gz]`, or the shop's settings."""

import re
from dataclasses import dataclass
from typing import Literal

from personalization.core.errors import Rejected

DataKind = Literal["interactions", "users", "items"]
Kind = Literal["interactions", "users", "items", "settings", "nothing"]
Mode = Literal["FULL", "INCREMENTAL"]

SHOP_RULE = "1 to 30 characters out of a-z, 0-9 and -, beginning with a letter or digit"
SHOP = re.compile(r"[a-z0-9][a-z0-9-]{0,29}")
"""Shop names are part of Personalize's names, and keys and names must agree."""
SETTINGS_FILES = ("settings.yaml", "settings.yml", "settings.json")
"""The newest settings file counts; of files with the same second, the first one in this order."""
_DATA_KINDS: dict[str, DataKind] = {"interactions": "interactions", "users": "users", "items": "items"}
_LAYOUT = "drops/<shop>/<interactions|users|items>/<file>.csv or .csv.gz, or drops/<shop>/settings.yaml, .yml or .json"


@dataclass(frozen=True, slots=True)
class Drop:
    """A parsed key."""

    key: str
    kind: Kind
    shop: str = ""
    mode: Mode = "FULL"
    compressed: bool = False

    @property
    def data_kind(self) -> DataKind | None:
        """The object's dataset, or None for settings and ignored keys."""
        return _DATA_KINDS.get(self.kind)


def recognise(key: str) -> Drop:
    """Parse a key as EventBridge sends it (not URL-encoded).

    Folder markers (keys that end in `/`), keys outside `drops/`, and files whose names begin with `_` or `.` (other
    tools' markers) have the kind `nothing`.

    Raises:
        Rejected: the shop's name, the kind or the file's ending is unknown; the reason states the rule.
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
        if file in SETTINGS_FILES:
            return Drop(key, "settings", shop)
        raise Rejected(key, f"keys are {_LAYOUT}")
    kind = _DATA_KINDS.get(parts[2])
    if kind is None:
        raise Rejected(key, f"the kind must be interactions, users or items, not {parts[2]}")
    if not file.lower().endswith((".csv", ".csv.gz")):
        raise Rejected(key, "the file must end in .csv or .csv.gz")
    mode: Mode = "INCREMENTAL" if parts[-2] == "incremental" else "FULL"
    return Drop(key, kind, shop, mode, compressed=file.lower().endswith(".gz"))


def is_shop(name: str) -> bool:
    """Return whether a shop can have this name."""
    return SHOP.fullmatch(name) is not None
