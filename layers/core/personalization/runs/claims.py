# SPDX-License-Identifier: Apache-2.0
"""Claims: one record for each dropped object and each requested retraining.

S3 may deliver an event twice and out of order. The object's identity makes its claim unique. One run moves the claim
from `pending` to `taken` and to a final state, so that each drop is handled once.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal, Self

from table_intake import Mode

from personalization.core import stored
from personalization.core.errors import Rejected
from personalization.core.messages import Part
from personalization.core.names import UNVERSIONED
from personalization.shop import keys
from personalization.shop.keys import Drop, Kind
from personalization.shop.records.release import REMEDY

State = Literal["pending", "taken", "held", "done", "refused", "failed", "superseded"]
ClaimKind = Kind | Literal["retrain"]
Action = Literal["drop", "continue", "retrain", "rollback", "promote", "sweep"]
ACTIONS: tuple[Action, ...] = ("continue", "retrain", "rollback", "promote", "sweep")
ORDER: tuple[ClaimKind, ...] = (
    "settings",
    "export",
    "users",
    "items",
    "actions",
    "action-interactions",
    "interactions",
    "retrain",
)
"""The order in which a run looks at the kinds."""
PREFIX = "drop#"
"""The prefix of claims' sort keys; the claim's id follows."""
KEPT_DAYS = 400
"""Days before a claim expires; S3 repeats an event within a day."""
NO_SHOP = "-"
"""Replaces the shop's name where a key has none; no shop can have this name."""


class Claim(Part):
    """The state of one dropped object or one requested retraining."""

    version: int = stored.VERSION
    id: str
    shop: str
    kind: ClaimKind
    mode: Mode = "FULL"
    bucket_name: str = ""
    key: str = ""
    version_id: str | None = None
    sequencer: str = ""
    """S3's order of one key's events: hexadecimal, of any length. Listings of a bucket have none."""
    at: str = ""
    """The time of the drop, ISO 8601, from the event or the listing."""
    claimed_by: str = ""
    """The run that the event started, or the sweep; another run may handle the claim."""
    state: State = "pending"
    run: str = ""
    """The run that took, refused or superseded the claim."""
    runs: tuple[str, ...] = ()
    """All runs that took the claim, oldest first: import jobs and solution versions carry runs' names."""
    taken_at: tuple[str, ...] = ()
    """The time at which each of these runs took the claim, ISO 8601; orders the runs of a shop."""
    trained_since: str = ""
    """The time from which one of these runs may have trained on it."""
    loaded: bool = False
    """Whether a failed claim's data are in the dataset because the failure came after the import."""
    reason: str = ""
    content: str = ""
    """Identifies the bytes and settings of an imported FULL: see `ingest.source`."""
    training_mode: Literal["FULL", "UPDATE"] = "FULL"
    recipes: tuple[str, ...] = ()

    @classmethod
    def read(cls, value: object) -> Self:
        """Parse a stored claim.

        Raises:
            Rejected: it is from before 0.1.0.
        """
        record = _mapping(value)
        if record.get("version") != stored.VERSION:
            raise stored.refused(record, str(record.get("shop") or "claim"), REMEDY)
        return super().read(value)

    def moved(self, state: State, run: str, reason: str = "") -> "Claim":
        return self.replaced(state=state, run=run, reason=reason)

    def taken(self, run: str, now: datetime) -> "Claim":
        added = {} if run in self.runs else {"runs": (*self.runs, run), "taken_at": (*self.taken_at, now.isoformat())}
        return self.moved("taken", run).replaced(**added)

    def undone(self) -> "Claim":
        """Return the claim without its runs' work, after its data have left the dataset."""
        nothing = {"runs": (), "taken_at": (), "trained_since": "", "loaded": False, "content": ""}
        return self.replaced(**nothing)

    @property
    def versioned(self) -> bool:
        return self.version_id is not None and self.version_id != UNVERSIONED

    @property
    def order(self) -> tuple[str, str, str]:
        """Sorts a shop's claims by time, and those of one key in S3's order of writing."""
        return self.at, padded(self.sequencer), self.id


class Request(Part):
    """The reason for an execution."""

    action: Action
    shop: str = ""
    run: str | None = None
    claim: Claim | None = None
    """The claim to record: of the object, the retraining, or the stopped run that a sweep was started for."""


def padded(sequencer: str) -> str:
    """Return a sequencer that compares with others of its key: S3 documents padding on the right."""
    return sequencer.upper().ljust(64, "0")


def identity(*parts: str) -> str:
    """Return a claim's id: of an object's bucket, key and version, or of its etag and sequencer without versioning."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def read(started: object, run: str) -> Request:
    """Parse an execution's input: EventBridge's event of an object or a stopped run, or `{action, shop, …}`.

    Raises:
        Rejected: the input is neither, the object's key breaks a rule, or the action or shop does not exist.
    """
    if isinstance(started, Mapping):
        if "action" in started:
            return _request(started, run)
        detail = started.get("detail")
        if isinstance(detail, Mapping) and isinstance(detail.get("object"), Mapping):
            drop = keys.recognise(str(detail["object"].get("key", "")))
            return Request(action="drop", shop=drop.shop, claim=_claim(started, detail, drop, run))
        if isinstance(detail, Mapping) and started.get("source") == "aws.states":
            return Request(action="sweep", claim=stopped(started))
    raise Rejected("the execution's input", "must be S3's event of an object, or {action, shop}")


def refusal(started: object, run: str, reason: str) -> Claim | None:
    """Return the claim of an object whose key breaks a rule; None if no object started the execution."""
    event = _mapping(started)
    detail = _mapping(event.get("detail"))
    if "action" in event or not isinstance(detail.get("object"), Mapping):
        return None
    key = str(_mapping(detail["object"]).get("key", ""))
    return _claim(event, detail, Drop(key=key, kind="nothing", shop=shop_of(key)), run).moved("refused", run, reason)


def shop_of(key: str) -> str:
    """Return the shop in a key's first folder, or NO_SHOP."""
    named = f"{key}/".split("/")[1]
    return named if keys.is_shop(named) else NO_SHOP


def _claim(event: Mapping[str, object], detail: Mapping[str, object], drop: Drop, run: str) -> Claim:
    bucket, facts = str(_mapping(detail.get("bucket")).get("name", "")), _mapping(detail.get("object"))
    version, sequencer = str(facts.get("version-id") or ""), str(facts.get("sequencer") or "")
    # Without versioning only the sequencer distinguishes two writes of the same bytes.
    unversioned = version in {"", UNVERSIONED}
    writing = (version or str(facts.get("etag") or ""), sequencer) if unversioned else (version,)
    return Claim(
        id=identity(bucket, drop.key, *writing),
        shop=drop.shop,
        kind=drop.kind,
        mode=drop.mode,
        bucket_name=bucket,
        key=drop.key,
        version_id=version or None,
        sequencer=sequencer,
        at=str(event.get("time") or ""),
        claimed_by=run,
    )


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def stopped(event: object) -> Claim | None:
    """Return the claim of a stopped run from EventBridge's event: the run may not have recorded it."""
    detail = event.get("detail") if isinstance(event, Mapping) and event.get("source") == "aws.states" else None
    if not isinstance(detail, Mapping):
        return None
    try:
        return read(json.loads(str(detail.get("input"))), str(detail.get("name"))).claim
    except (ValueError, RecursionError, Rejected):
        return None


def _request(started: Mapping[str, object], run: str) -> Request:
    action, shop = started["action"], str(started.get("shop") or "")
    if action not in ACTIONS:
        raise Rejected("the execution's input", f"action must be one of {', '.join(ACTIONS)}, not {action!s:.40}")
    if action == "sweep":
        return Request(action="sweep")
    if not keys.is_shop(shop):
        raise Rejected("the execution's input", f"shop must be {keys.SHOP_RULE}")
    named = str(started["run"]) if started.get("run") else None
    request = {"action": action, "shop": shop, "run": named}
    return Request.model_validate(request | ({"claim": _wish(started, shop, run)} if action == "retrain" else {}))


def _wish(started: Mapping[str, object], shop: str, run: str) -> Claim:
    mode, recipes = started.get("trainingMode") or "FULL", started.get("recipes") or []
    if mode not in {"FULL", "UPDATE"}:
        raise Rejected("the execution's input", f"trainingMode must be FULL or UPDATE, not {mode!s:.40}")
    if not isinstance(recipes, list | tuple):
        raise Rejected("the execution's input", "recipes must be a list of their names")
    return Claim(
        id=identity("", "", "", run),
        shop=shop,
        kind="retrain",
        claimed_by=run,
        training_mode="UPDATE" if mode == "UPDATE" else "FULL",
        recipes=tuple(str(alias) for alias in recipes),
    )


def after(sequencers: Iterable[str]) -> str:
    """Return a sequencer that sorts after these, and before all that S3 gives the key later."""
    newest = max(map(padded, sequencers), default="")
    return f"{newest}1" if newest else ""


def later(claim: Claim, every: Iterable[Claim]) -> Claim | None:
    """Return a claim of the same key that S3 wrote after this one."""
    same = (
        claim_of_shop
        for claim_of_shop in every
        if claim_of_shop.key == claim.key and claim_of_shop.bucket_name == claim.bucket_name and claim_of_shop.key
    )
    return next((other for other in same if padded(other.sequencer) > padded(claim.sequencer)), None)
