# SPDX-License-Identifier: Apache-2.0
"""Exposures: who could see a difference, told by the server before a variant is applied, alike for all variants.

An exposure is one line of the log of the function that answers, without a user's id. A subscription of the log brings
the lines to the function that copies events, which makes files of them.
"""

import base64
import gzip
import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from personalization.experiments.assignment import Unit

FOLDER = "exposures"
_encode = json.JSONEncoder(separators=(",", ":")).encode
_MEMBERS = ("shop", "experiment", "variant", "unit", "placement", "at")
_BESIDE = ("user", "visitor")
"""Further names of the unit, where it has any."""


def opening(shop: str, experiment: str, variant: str) -> str:
    """Return the start of a variant's log lines.

    No name in a line has a character that JSON escapes.
    """
    return f'{{"exposure":{{"shop":"{shop}","experiment":"{experiment}","variant":"{variant}","unit":"'


def line(begun: str, unit: "Unit", placement: str, *, milliseconds: int) -> str:
    """Return the log line of an exposure, with digests for the unit; `begun` is its `opening`."""
    beside = f',"user":"{unit.user}"' if unit.user else ""
    beside += f',"visitor":"{unit.visitor}"' if unit.visitor else ""
    return f'{begun}{unit.digest}","placement":"{placement}","at":{milliseconds}{beside}}}}}'


def files(event: Mapping[str, Any]) -> tuple[dict[str, str], int]:
    """Return the files, by key, of a batch of log lines from a subscription, and how many lines are no exposures.

    A batch that comes twice has the same keys, so that it replaces its files.
    """
    batch = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
    lines: dict[tuple[str, str], list[str]] = defaultdict(list)
    foreign = 0
    # A control message tests the subscription.
    events = batch["logEvents"] if batch["messageType"] == "DATA_MESSAGE" else []
    for logged in events:
        try:
            exposure = json.loads(logged["message"])["exposure"]
            when = datetime.fromtimestamp(exposure["at"] / 1000, UTC)
            lines[str(exposure["shop"]), f"{when:%Y/%m/%d}"].append(
                _encode(
                    {name: exposure[name] for name in _MEMBERS}
                    | {name: exposure[name] for name in _BESIDE if name in exposure}
                )
            )
        except (ValueError, TypeError, KeyError, OverflowError, OSError):
            foreign += 1
    name = events[0]["id"] if events else ""
    return {
        f"{FOLDER}/{shop}/{day}/{name}.jsonl": "".join(f"{text}\n" for text in texts)
        for (shop, day), texts in lines.items()
    }, foreign
