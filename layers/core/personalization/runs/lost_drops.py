# SPDX-License-Identifier: Apache-2.0
"""Lost drops: object versions that the sweep claims because their event never came.

S3 sends no events in the first minutes of a bucket's notifications, and may lose one later. The sweep compares the
bucket's versions with the recorded claims.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from personalization.core.errors import Rejected
from personalization.runs import claims
from personalization.runs.claims import Claim, ClaimKind
from personalization.runs.leases import Executions, Ledger, Run
from personalization.shop import keys

FOLDER = "drops/"
LOST_AFTER = timedelta(minutes=10)
"""The age at which an object's event counts as lost; S3 sends most within seconds, some after minutes."""
REMEMBERED = timedelta(days=14)
"""Older objects were left there on purpose or by an earlier stack, and are ignored."""
MAX_CLAIMS = 1_000
"""The most claims that one sweep makes; the next one continues."""
_MINUTE = timedelta(minutes=1)
_SECOND = timedelta(seconds=1)
"""The precision of a listing."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object in a listing."""

    id: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class Listed:
    """An existing object's key and recent versions, newest first."""

    key: str
    versions: tuple[Version, ...]


@dataclass(frozen=True, slots=True)
class SweepScope:
    """The bucket and the time of a sweep, and the age at which an object's event counts as lost."""

    bucket: str
    run: Run
    after: timedelta = LOST_AFTER

    def wants(self, version: Version) -> bool:
        """Return whether a version is old enough to be lost; without `after` S3's clock may be ahead of ours."""
        age = self.run.now - version.modified
        return age <= REMEMBERED and (not self.after or age >= self.after)


def folder(event: Mapping[str, object]) -> str:
    """Return the folder that a sweep lists: that of the event's `shop`, or FOLDER.

    Raises:
        Rejected: no shop can have this name.
    """
    shop = event.get("shop")
    if shop is None:
        return FOLDER
    if not keys.is_shop(str(shop)):
        raise Rejected("shop", f"must be {keys.SHOP_RULE}")
    return f"{FOLDER}{shop}/"


def age(event: Mapping[str, object]) -> timedelta:
    """Return the age at which an object's event counts as lost: the event's `minutes`, or AFTER.

    Raises:
        Rejected: `minutes` is not a valid number.
    """
    minutes = event.get("minutes", LOST_AFTER / _MINUTE)
    if isinstance(minutes, bool) or not isinstance(minutes, int | float) or not 0 <= minutes <= REMEMBERED / _MINUTE:
        raise Rejected("minutes", f"must be a number from 0 to {REMEMBERED / _MINUTE:,.0f}, not {minutes!s:.40}")
    return timedelta(minutes=minutes)


@dataclass(frozen=True, slots=True)
class Swept:
    """Objects whose event never came."""

    drops: tuple[Claim, ...]
    """Claims for a run."""
    refused: tuple[str, ...]
    """Keys that break a rule; each has its own run that reports it."""


def claim_lost(ledger: Ledger, executions: Executions, listed: Iterable[Listed], sought: SweepScope) -> Swept:
    """Claim listed objects whose event never came, and start runs that refuse keys that break a rule."""
    claimed: list[Claim] = []
    refused: list[str] = []
    left = MAX_CLAIMS
    for shop, objects in _by_shop(listed).items():
        try:
            missing = list(_missing(objects, ledger.claims(shop), sought))
        except Rejected:
            # Its claims are from before 0.1.0, of which the sweep itself tells.
            continue
        removed = ledger.removed(shop) if missing else None
        wanted = [claim for claim in missing if removed is None or _time(claim) > removed]
        # Oldest first, so that the newest are left to the next sweep.
        for claim in sorted(wanted, key=_time)[:left]:
            left -= 1
            if claim.kind == "nothing" and claim.state == "pending":
                executions.start(f"refuse-{claim.id}", _event(claim))
                refused.append(claim.key)
            elif ledger.add(claim) is None and claim.state == "pending":
                claimed.append(claim)
    return Swept(tuple(claimed), tuple(refused))


def _by_shop(listed: Iterable[Listed]) -> Mapping[str, list[tuple[Listed, keys.Drop]]]:
    by_shop: dict[str, list[tuple[Listed, keys.Drop]]] = {}
    for listed_object in listed:
        try:
            drop = keys.recognise(listed_object.key)
            if drop.kind in keys.WITHOUT_RUN:
                # A folder's marker, a list of users for batch jobs, experiments, or another tool's file.
                continue
        except Rejected:
            drop = keys.Drop(key=listed_object.key, kind="nothing", shop=claims.shop_of(listed_object.key))
        if drop.shop:
            by_shop.setdefault(drop.shop, []).append((listed_object, drop))
    return by_shop


def _missing(
    objects: Sequence[tuple[Listed, keys.Drop]], shop_claims: Sequence[Claim], sought: SweepScope
) -> Iterable[Claim]:
    """Return the missing claims of a shop."""
    by_key: dict[str, list[Claim]] = {}
    for shop_claim in shop_claims:
        if shop_claim.bucket_name == sought.bucket:
            by_key.setdefault(shop_claim.key, []).append(shop_claim)
    full_imports = _full_imports(shop_claims)
    for listed, drop in objects:
        same, newer = by_key.get(listed.key, []), False
        for version in listed.versions:
            claimed = any(_is_about(claim, version) for claim in same)
            if (
                not claimed
                and sought.wants(version)
                and version.modified >= full_imports.get(drop.kind, version.modified)
            ):
                # As for a late event: the newest version of a key counts.
                claim = _claim(drop, version, () if newer else same, sought)
                reason = f"{drop.key} was uploaded again"
                yield claim.moved("superseded", sought.run.name, reason) if newer else claim
                claimed = True
            newer = newer or claimed


def _full_imports(shop_claims: Iterable[Claim]) -> Mapping[ClaimKind, datetime]:
    """Return when the newest imported FULL of each kind was dropped."""
    newest: dict[ClaimKind, datetime] = {}
    for claim in shop_claims:
        if claim.mode == "FULL" and claim.at and (claim.state == "done" or claim.loaded):
            newest[claim.kind] = max(_time(claim), newest.get(claim.kind, _time(claim)))
    return newest


def _is_about(claim: Claim, version: Version) -> bool:
    if claim.versioned or not claim.at:
        return claim.version_id == version.id
    # An event without a version refers to the version at its time.
    return version.modified <= _time(claim) + _SECOND


def _claim(drop: keys.Drop, version: Version, same: Sequence[Claim], sought: SweepScope) -> Claim:
    """Return a claim that sorts after the `same` ones: they refer to older versions of its key."""
    return Claim(
        id=claims.identity(sought.bucket, drop.key, version.id),
        shop=drop.shop,
        kind=drop.kind,
        mode=drop.mode,
        bucket_name=sought.bucket,
        key=drop.key,
        version_id=version.id,
        sequencer=claims.after(claim.sequencer for claim in same if claim.sequencer),
        at=_at(version, same),
        claimed_by=sought.run.name,
    )


def _at(version: Version, same: Sequence[Claim]) -> str:
    """Return a version's time, but no earlier than the `same` claims', in their format, which claims sort by."""
    newest = max((claim for claim in same if claim.at), key=_time, default=None)
    if newest is not None and _time(newest) >= version.modified.replace(microsecond=0):
        return newest.at
    return version.modified.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _time(claim: Claim) -> datetime:
    moment = datetime.fromisoformat(claim.at)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _event(claim: Claim) -> Mapping[str, object]:
    """Return the members of S3's event that a run reads."""
    object_ = {"key": claim.key, "version-id": claim.version_id}
    detail = {"bucket": {"name": claim.bucket_name}, "object": object_}
    return {"source": "aws.s3", "detail-type": "Object Created", "time": claim.at, "detail": detail}
