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

from personalization.core.errors import Rejected
from personalization.shop import keys
from personalization.shop.keys import Drop, Kind, Mode
from personalization.shop.plan import Part

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
NO_SHOP = "-"
"""Stands for the shop where a key names none: no shop can have this name."""
UNVERSIONED = "null"
"""S3's id of what was written while the bucket had no versioning. The next such writing takes its place."""


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
    """S3's order of the events of one key: hexadecimal, of any length. A listing of the bucket has none."""
    at: str = ""
    """When it was dropped, ISO 8601, by the event or the listing."""
    claimed_by: str = ""
    """The run that the event started, which may be another than the run that handles it; or the sweep."""
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
    content: str = ""
    """What tells its bytes and its settings from others, if it is a whole history that was imported: see `contents`."""
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
        nothing = {"runs": (), "taken_at": (), "trained_since": "", "loaded": False, "content": ""}
        return self.model_copy(update=nothing)

    @property
    def versioned(self) -> bool:
        """Whether S3 keeps what it is about under an id of its own."""
        return self.version_id is not None and self.version_id != UNVERSIONED

    @property
    def former_id(self) -> str:
        """The id that it would have had while ids had the sequencer in them; "" where that is the same."""
        if not self.versioned or not self.sequencer:
            return ""
        return identity(self.bucket_name, self.key, self.version_id or "", self.sequencer)

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


def identity(*parts: str) -> str:
    """The id of a claim: of an object bucket, key and version; where there are no versions its etag and sequencer."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


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
    facts = _mapping(detail.get("object"))
    drop = keys.recognise(str(facts.get("key", "")))
    return Request(action="drop", shop=drop.shop, claim=_claim(event, detail, drop, run))


def refusal(started: object, run: str, reason: str) -> Claim | None:
    """Return the claim of an object whose key breaks a rule; None where an execution was started for no object."""
    event = _mapping(started)
    detail = _mapping(event.get("detail"))
    if "action" in event or not isinstance(detail.get("object"), Mapping):
        return None
    key = str(_mapping(detail["object"]).get("key", ""))
    return _claim(event, detail, Drop(key, "nothing", shop_of(key)), run).moved("refused", run, reason)


def shop_of(key: str) -> str:
    """The shop that a key names, however it goes on; NO_SHOP where it names none."""
    named = f"{key}/".split("/")[1]
    return named if keys.is_shop(named) else NO_SHOP


def _claim(event: Mapping[str, object], detail: Mapping[str, object], drop: Drop, run: str) -> Claim:
    bucket, facts = str(_mapping(detail.get("bucket")).get("name", "")), _mapping(detail.get("object"))
    version, sequencer = str(facts.get("version-id") or ""), str(facts.get("sequencer") or "")
    # Without versions nothing but the sequencer tells one writing of the same bytes from the next.
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
    """A sequencer that sorts after these, and before every one that S3 gives to its key later."""
    newest = max(map(padded, sequencers), default="")
    return f"{newest}1" if newest else ""


def later(claim: Claim, every: Iterable[Claim]) -> Claim | None:
    """A claim of the same key that S3 wrote after this one."""
    same = (each for each in every if each.key == claim.key and each.bucket_name == claim.bucket_name and each.key)
    return next((each for each in same if padded(each.sequencer) > padded(claim.sequencer)), None)
