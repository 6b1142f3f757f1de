# SPDX-License-Identifier: Apache-2.0
"""Claims: one record for every object that was dropped, and for every retraining that was asked for.

S3's events may come twice and out of order. A claim is made once, by the object's identity, and moves from `pending`
to `taken` by one run and to its end, so that whatever is dropped is handled once.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal

from personalization import drops
from personalization.drops import Kind, Mode
from personalization.errors import Rejected
from personalization.plans import Part

State = Literal["pending", "taken", "held", "done", "refused", "failed", "superseded"]
ClaimKind = Kind | Literal["retrain"]
Action = Literal["drop", "continue", "retrain", "rollback", "promote", "sweep"]
ACTIONS: tuple[Action, ...] = ("continue", "retrain", "rollback", "promote", "sweep")
ORDER: tuple[ClaimKind, ...] = ("settings", "users", "items", "interactions", "retrain")
"""The kinds in the order in which a run looks at them."""
PREFIX = "drop#"
"""How the sort keys of claims begin; the claim's id follows."""
KEPT_DAYS = 400
"""Days that a claim is remembered; S3 repeats an event within a day."""


class Claim(Part):
    """One object of the bucket, or one wish, and what became of it."""

    id: str
    shop: str
    kind: ClaimKind
    mode: Mode = "FULL"
    bucket_name: str = ""
    key: str = ""
    version_id: str | None = None
    sequencer: str = ""
    """S3's order of the events of one key: hexadecimal, of any length."""
    at: str = ""
    """When it was dropped, ISO 8601, by the event."""
    claimed_by: str = ""
    """The run that the event started, which may be another than the run that handles it."""
    state: State = "pending"
    run: str = ""
    """The run that took it, or refused or superseded it."""
    runs: tuple[str, ...] = ()
    """Every run that has taken it, the first one first: import jobs and solution versions are named after runs."""
    taken_at: tuple[str, ...] = ()
    """When each of these runs took it, ISO 8601: which of two runs of a shop came after the other."""
    trained_since: str = ""
    """When the first of them got so far that it may have begun a training on it."""
    loaded: bool = False
    """Of one that failed: its data are in the dataset all the same, because what failed came after the import."""
    reason: str = ""
    training_mode: Literal["FULL", "UPDATE"] = "FULL"
    recipes: tuple[str, ...] = ()

    def moved(self, state: State, run: str, reason: str = "") -> "Claim":
        """The claim in another state."""
        return self.model_copy(update={"state": state, "run": run, "reason": reason})

    def taken(self, run: str, now: datetime) -> "Claim":
        """The claim as a run takes it."""
        added = {} if run in self.runs else {"runs": (*self.runs, run), "taken_at": (*self.taken_at, now.isoformat())}
        return self.moved("taken", run).model_copy(update=added)

    def undone(self) -> "Claim":
        """The claim without what runs have done for it: what was imported of it is not in the dataset any more."""
        return self.model_copy(update={"runs": (), "taken_at": (), "trained_since": "", "loaded": False})

    @property
    def order(self) -> tuple[str, str, str]:
        """Sorts a shop's claims by time; those of one key as S3 wrote them."""
        return self.at, padded(self.sequencer), self.id


class Request(Part):
    """What an execution was started for."""

    action: Action
    shop: str = ""
    run: str | None = None
    claim: Claim | None = None
    """What is to be remembered: the object or the wish for a retraining; of a sweep, that of a run that was stopped."""


def padded(sequencer: str) -> str:
    """A sequencer that can be compared with others of its key: S3 says to fill up at the right."""
    return sequencer.upper().ljust(64, "0")


def identity(bucket: str, key: str, version: str, sequencer: str) -> str:
    """The id of an object's claim."""
    return hashlib.sha256("\0".join((bucket, key, version, sequencer)).encode()).hexdigest()[:32]


def read(started: object, run: str) -> Request:
    """Understand an execution's input: EventBridge's event of an object or of a stopped run, or `{action, shop, …}`.

    Args:
        started: the input.
        run: the execution's name.

    Raises:
        Rejected: it is neither; or the object's key breaks a rule; or the action or the shop is none.
    """
    if isinstance(started, Mapping):
        if "action" in started:
            return _asked(started, run)
        found = started.get("detail")
        if isinstance(found, Mapping) and isinstance(found.get("object"), Mapping):
            return _dropped(started, found, run)
        if isinstance(found, Mapping) and started.get("source") == "aws.states":
            return Request(action="sweep", claim=stopped(started))
    raise Rejected("the execution's input", "must be S3's event of an object, or {action, shop}")


def _dropped(event: Mapping[str, object], detail: Mapping[str, object], run: str) -> Request:
    place, found = detail.get("bucket"), detail.get("object")
    bucket = str(place.get("name", "")) if isinstance(place, Mapping) else ""
    facts: Mapping[str, object] = found if isinstance(found, Mapping) else {}
    key, sequencer = str(facts.get("key", "")), str(facts.get("sequencer") or "")
    drop = drops.recognise(key)
    version = facts.get("version-id")
    claim = Claim(
        id=identity(bucket, key, str(version or facts.get("etag") or ""), sequencer),
        shop=drop.shop,
        kind=drop.kind,
        mode=drop.mode,
        bucket_name=bucket,
        key=key,
        version_id=str(version) if version else None,
        sequencer=sequencer,
        at=str(event.get("time") or ""),
        claimed_by=run,
    )
    return Request(action="drop", shop=drop.shop, claim=claim)


def stopped(event: object) -> Claim | None:
    """Return what a stopped run was started for, if EventBridge's event is of one: it may not have made its claim."""
    detail = event.get("detail") if isinstance(event, Mapping) and event.get("source") == "aws.states" else None
    if not isinstance(detail, Mapping):
        return None
    try:
        return read(json.loads(str(detail.get("input"))), str(detail.get("name"))).claim
    except (ValueError, RecursionError, Rejected):
        return None


def _asked(started: Mapping[str, object], run: str) -> Request:
    action, shop = started["action"], str(started.get("shop") or "")
    if action not in ACTIONS:
        raise Rejected("the execution's input", f"action must be one of {', '.join(ACTIONS)}, not {action!s:.40}")
    if action == "sweep":
        return Request(action="sweep")
    if not drops.is_shop(shop):
        raise Rejected("the execution's input", f"shop must be {drops.SHOP_RULE}")
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


def later(claim: Claim, every: Iterable[Claim]) -> Claim | None:
    """A claim of the same key that S3 wrote after this one."""
    same = (each for each in every if each.key == claim.key and each.bucket_name == claim.bucket_name and each.key)
    return next((each for each in same if padded(each.sequencer) > padded(claim.sequencer)), None)
