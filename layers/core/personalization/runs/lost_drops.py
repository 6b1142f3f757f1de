# SPDX-License-Identifier: Apache-2.0
"""Drops whose event never came: which versions of the bucket's objects the sweep claims.

S3 sends no events in the first minutes of a bucket's notifications, and may lose one later. The bucket tells what is
there; the claims tell what is known.
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
AFTER = timedelta(minutes=10)
"""The age at which an object's event counts as lost; S3 sends most within seconds, some after minutes."""
REMEMBERED = timedelta(days=14)
"""What is older was left there on purpose, or by an earlier stack: nobody waits for it."""
MOST = 1_000
"""Claims that one sweep makes; the next one goes on."""
_MINUTE = timedelta(minutes=1)
_SECOND = timedelta(seconds=1)
"""The precision of a listing."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object, as a listing has it."""

    id: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class Listed:
    """An object that is there: its key, and its versions of late, the newest first."""

    key: str
    versions: tuple[Version, ...]


@dataclass(frozen=True, slots=True)
class Sought:
    """What a sweep looks for."""

    bucket: str
    run: Run
    after: timedelta = AFTER

    def wants(self, version: Version) -> bool:
        """Whether a version has the age of a lost one; without `after` S3's clock may be ahead of ours."""
        age = self.run.now - version.modified
        return age <= REMEMBERED and (not self.after or age >= self.after)


def folder(event: Mapping[str, object]) -> str:
    """Return the folder that a sweep lists: that of `shop` where somebody asks for one, or FOLDER.

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
    """Return the age at which a sweep takes an object's event for lost: `minutes` where somebody asks, or AFTER.

    Raises:
        Rejected: that is no number of minutes.
    """
    minutes = event.get("minutes", AFTER / _MINUTE)
    if isinstance(minutes, bool) or not isinstance(minutes, int | float) or not 0 <= minutes <= REMEMBERED / _MINUTE:
        raise Rejected("minutes", f"must be a number from 0 to {REMEMBERED / _MINUTE:,.0f}, not {minutes!s:.40}")
    return timedelta(minutes=minutes)


@dataclass(frozen=True, slots=True)
class Found:
    """Objects whose event never came."""

    drops: tuple[Claim, ...]
    """Claimed for a run."""
    refused: tuple[str, ...]
    """Keys that break a rule, each with a run of its own that says so."""


def claim_lost(ledger: Ledger, executions: Executions, listed: Iterable[Listed], sought: Sought) -> Found:
    """Claim objects whose event never came, and have keys that break a rule refused as their events would have.

    Args:
        ledger: the table.
        executions: of the state machine.
        listed: the objects of the bucket.
        sought: by whom, and from which age on.
    """
    claimed: list[Claim] = []
    refused: list[str] = []
    left = MOST
    for shop, objects in _by_shop(listed).items():
        missing = list(_missing(objects, ledger.claims(shop), sought))
        removed = ledger.removed(shop) if missing else None
        wanted = [each for each in missing if removed is None or _time(each) > removed]
        # The oldest first, so that what is left for the next sweep came last.
        for each in sorted(wanted, key=_time)[:left]:
            left -= 1
            if each.kind == "nothing" and each.state == "pending":
                executions.start(f"refuse-{each.id}", _event(each))
                refused.append(each.key)
            elif ledger.add(each) is None and each.state == "pending":
                claimed.append(each)
    return Found(tuple(claimed), tuple(refused))


def _by_shop(listed: Iterable[Listed]) -> Mapping[str, list[tuple[Listed, keys.Drop]]]:
    found: dict[str, list[tuple[Listed, keys.Drop]]] = {}
    for each in listed:
        try:
            drop = keys.recognise(each.key)
        except Rejected:
            drop = keys.Drop(each.key, "nothing", claims.shop_of(each.key))
        # Without a shop it is none of ours: a folder's marker, or what another tool leaves behind.
        if drop.shop:
            found.setdefault(drop.shop, []).append((each, drop))
    return found


def _missing(objects: Sequence[tuple[Listed, keys.Drop]], known: Sequence[Claim], sought: Sought) -> Iterable[Claim]:
    """The claims that are missing among those of a shop."""
    by_key: dict[str, list[Claim]] = {}
    for each in known:
        if each.bucket_name == sought.bucket:
            by_key.setdefault(each.key, []).append(each)
    whole = _whole(known)
    for listed, drop in objects:
        same, newer = by_key.get(listed.key, []), False
        for version in listed.versions:
            claimed = any(_is_about(each, version) for each in same)
            if not claimed and sought.wants(version) and version.modified >= whole.get(drop.kind, version.modified):
                # As for an event that comes late: of one key the newest counts.
                yield _superseded(drop, version, sought) if newer else _claim(drop, version, same, sought)
                claimed = True
            newer = newer or claimed


def _whole(known: Iterable[Claim]) -> Mapping[ClaimKind, datetime]:
    """When the newest whole history of each kind was dropped that was imported."""
    found: dict[ClaimKind, datetime] = {}
    for each in known:
        if each.mode == "FULL" and each.at and (each.state == "done" or each.loaded):
            found[each.kind] = max(_time(each), found.get(each.kind, _time(each)))
    return found


def _is_about(claim: Claim, version: Version) -> bool:
    if claim.versioned or not claim.at:
        return claim.version_id == version.id
    # An event without a version is about what was there at its time.
    return version.modified <= _time(claim) + _SECOND


def _superseded(drop: keys.Drop, version: Version, sought: Sought) -> Claim:
    claim = _claim(drop, version, (), sought)
    return claim.moved("superseded", sought.run.name, f"{drop.key} was uploaded again")


def _claim(drop: keys.Drop, version: Version, same: Sequence[Claim], sought: Sought) -> Claim:
    """A claim that comes after the `same` ones of its key: they are about older versions."""
    return Claim(
        id=claims.identity(sought.bucket, drop.key, version.id),
        shop=drop.shop,
        kind=drop.kind,
        mode=drop.mode,
        bucket_name=sought.bucket,
        key=drop.key,
        version_id=version.id,
        sequencer=claims.after(each.sequencer for each in same if each.sequencer),
        at=_at(version, same),
        claimed_by=sought.run.name,
    )


def _at(version: Version, same: Sequence[Claim]) -> str:
    """When a version was dropped, but no earlier than the `same` ones: in their words, by which claims are sorted."""
    newest = max((each for each in same if each.at), key=_time, default=None)
    if newest is not None and _time(newest) >= version.modified.replace(microsecond=0):
        return newest.at
    return version.modified.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _time(claim: Claim) -> datetime:
    found = datetime.fromisoformat(claim.at)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _event(claim: Claim) -> Mapping[str, object]:
    """The event that S3 would have sent, as far as a run reads it."""
    found = {"key": claim.key, "version-id": claim.version_id}
    detail = {"bucket": {"name": claim.bucket_name}, "object": found}
    return {"source": "aws.s3", "detail-type": "Object Created", "time": claim.at, "detail": detail}
