# SPDX-License-Identifier: Apache-2.0
"""Claims: one record for every object that was dropped, and for every retraining that was asked for.

S3's events may come twice and out of order. A claim is made once, by the object's identity, and moves from `pending`
to `taken` by one run and to its end, so that whatever is dropped is handled once.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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
    reason: str = ""
    training_mode: Literal["FULL", "UPDATE"] = "FULL"
    recipes: tuple[str, ...] = ()

    def moved(self, state: State, run: str, reason: str = "") -> "Claim":
        """The claim in another state."""
        return self.model_copy(update={"state": state, "run": run, "reason": reason})

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
    """What is to be remembered: the object, or the wish for a retraining."""


def padded(sequencer: str) -> str:
    """A sequencer that can be compared with others of its key: S3 says to fill up at the right."""
    return sequencer.upper().ljust(64, "0")


def identity(bucket: str, key: str, version: str, sequencer: str) -> str:
    """The id of an object's claim."""
    return hashlib.sha256("\0".join((bucket, key, version, sequencer)).encode()).hexdigest()[:32]


def read(started: object, run: str) -> Request:
    """Understand an execution's input: EventBridge's event of an object, or `{action, shop, …}`.

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


@dataclass(frozen=True, slots=True)
class Batch:
    """The claims that one run handles: of each kind one, with those that are imported together with it."""

    chosen: tuple[tuple[Claim, tuple[Claim, ...]], ...]
    """(the claim, the earlier ones that are joined with it), in the order of ORDER."""
    superseded: tuple[tuple[Claim, Claim], ...]
    """(a claim that needs no handling any more, the one that replaces it)."""


def waiting(claim: Claim, run: str = "") -> bool:
    """Whether a run is wanted for a claim; `run` is the one that asks, whose own claims are not waiting."""
    return claim.state == "pending" or (claim.state == "taken" and claim.run != run)


def choose(every: Iterable[Claim], again: str | None = None) -> Batch:
    """What a run that holds the shop's lease handles.

    What another run had taken is free: only who holds the lease takes, so that run is dead. Per kind: of one key the
    newest object counts. The newest FULL comes first and replaces what is older; incremental drops that came after it
    wait for the next run. Without a FULL, incremental drops of interactions are joined into one import, and those of
    users and items, where a later row replaces an earlier one, are taken one a run.

    Args:
        every: the shop's claims.
        again: a failed run whose claims are to be handled again.
    """
    free = [each for each in every if _free(each, again)]
    chosen, superseded = [], []
    for kind in ORDER:
        ours = sorted((each for each in free if each.kind == kind), key=lambda each: each.order)
        newest = {each.key: each for each in ours}
        superseded += [(each, newest[each.key]) for each in ours if newest[each.key] is not each]
        picked, replaced = _pick(kind, [each for each in ours if newest[each.key] is each])
        chosen += picked
        superseded += replaced
    return Batch(tuple(chosen), tuple(superseded))


def _free(claim: Claim, again: str | None) -> bool:
    return claim.state in {"pending", "taken", "held"} or (claim.state == "failed" and claim.run == again)


def _pick(
    kind: ClaimKind, ours: list[Claim]
) -> tuple[list[tuple[Claim, tuple[Claim, ...]]], list[tuple[Claim, Claim]]]:
    full = [each for each in ours if each.mode == "FULL"]
    if full:
        whole = full[-1]
        older = [each for each in ours if each is not whole and (each.mode == "FULL" or each.at < whole.at)]
        return [(whole, ())], [(each, whole) for each in older]
    if not any(each.state != "held" for each in ours):
        return [], []
    if kind != "interactions":
        return [(ours[0], ())], []
    return [(ours[-1], tuple(ours[:-1]))], []


def later(claim: Claim, every: Iterable[Claim]) -> Claim | None:
    """A claim of the same key that S3 wrote after this one."""
    same = (each for each in every if each.key == claim.key and each.bucket_name == claim.bucket_name and each.key)
    return next((each for each in same if padded(each.sequencer) > padded(claim.sequencer)), None)
