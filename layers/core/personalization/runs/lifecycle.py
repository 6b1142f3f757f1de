# SPDX-License-Identifier: Apache-2.0
"""The lifecycle of a run that leads its shop: take its drops, record their outcomes, release the lease.

What happens to drops that come meanwhile: see `concurrent_drops`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from table_intake import DataKind

from personalization.core.errors import Rejected, RetryLater
from personalization.core.messages import Part
from personalization.runs import batches, concurrent_drops
from personalization.runs.batches import Batch, Chosen
from personalization.runs.claims import Claim, ClaimKind
from personalization.runs.leases import Executions, Ledger, Run, lead, release_lease


class Drop(Part):
    """The outcome of one object that a run handled."""

    id: str
    also: tuple[str, ...] = ()
    key: str
    kind: str
    mode: str
    outcome: str
    """`imported`, `alreadyHandled`, `settings`, `joined` (into drops for the next run), `retrained`, `held`, `refused`,
    `failed` (its check ended in an error), or `later` (left to the next run)."""
    rows: int = 0
    reason: str = ""
    content: str = ""
    """As in `claims.Claim`."""


@dataclass(frozen=True, slots=True)
class End:
    """The end of a run."""

    failure: str | None = None
    """The reason for a failure. Drops of a failed run are not retried automatically."""
    imported: frozenset[ClaimKind] = frozenset()
    """The kinds that were imported before the failure."""


SUCCESS = End()
_SETTLED = frozenset({"settings", "joined", "held"})
"""Outcomes that need no further work by the run."""
_WITH_IDS: tuple[DataKind, ...] = ("users", "items", "actions")
"""Kinds with whose ids later drops are compared."""
TRAINED = ("interactions", "imported")
"""Kind and outcome of data that a run trains on after the import."""


def collect(ledger: Ledger, run: Run, shop: str, again: str | None = None) -> dict[str, object]:
    """Take the pending claims for a run, and those of the failed run `again`: see `batches.choose`.

    Returns:
        `{drops: [{id, also: [ids], kind, mode, key, request}], notes}`; `request` is the input that validates the drop.

    Raises:
        Rejected: the run no longer leads the shop.
        RetryLater: a claim changed meanwhile.
    """
    _must_lead(ledger, run, shop)
    every = ledger.claims(shop)
    batch = batches.choose(every, run.name, again)
    # Claims to import first come first: after a killed run they mark what the next one imports again.
    for claim in (joined for chosen in batch.chosen for joined in chosen.all):
        _move(ledger, claim, claim.taken(run.name, run.now))
    for old, new in batch.superseded:
        reason = f"replaced by {new.key or 'a retraining of the same recipes or more'}"
        _move(ledger, old, old.moved("superseded", run.name, reason))
    for was, waits in batch.later:
        _move(ledger, was, waits)
    replaced = [
        f"{old.key} was replaced by {new.key} before it was imported" for old, new in batch.superseded if old.key
    ]
    later = [f"{was.key} is imported again after this run" for was, _ in batch.later if was.state == "done"]
    return {
        "drops": [_item(run, chosen, batch.trained_by, every) for chosen in batch.chosen],
        "notes": [*replaced, *later, *_continued(batch)],
    }


def _continued(batch: Batch) -> list[str]:
    """Return notes about the earlier runs whose work a run continues, or why it cannot."""
    if batch.trained_by:
        return [f"goes on with what run {batch.trained_by[-1]} has imported and trained"]
    by = sorted({run for chosen in batch.chosen for run in chosen.imported_by[-1:]})
    return [f"goes on with what run {run} has imported, and trains anew: its drops have changed" for run in by]


def _move(ledger: Ledger, seen: Claim, after: Claim) -> None:
    if seen != after and not ledger.move(seen, after):
        raise RetryLater(seen.key or seen.shop, "its claim changed meanwhile")


def _must_lead(ledger: Ledger, run: Run, shop: str) -> None:
    lease = ledger.lease(shop)
    if lease is None or lease.owner != run.name:
        raise Rejected(shop, f"the shop is led by {f'run {lease.owner}' if lease else 'no run'}, not by {run.name}")


def _item(run: Run, chosen: Chosen, trained_by: Sequence[str], every: Sequence[Claim]) -> dict[str, object]:
    claim = chosen.claim
    last_full, (last, since) = batches.latest_full(every, claim), batches.last_imports(every, claim)
    wish = {"shop": claim.shop, "trainingMode": claim.training_mode, "recipes": list(claim.recipes)}
    return {
        "id": claim.id,
        "also": [joined.id for joined in chosen.joined],
        "kind": claim.kind,
        "mode": claim.mode,
        "key": claim.key,
        "request": {
            "id": claim.id,
            "bucket": claim.bucket_name,
            "key": claim.key,
            "versionId": claim.version_id,
            "run": run.name,
            "at": claim.at,
            "also": [
                {"id": joined.id, "key": joined.key, "versionId": joined.version_id, "at": joined.at}
                for joined in chosen.joined
            ],
            "retrain": wish if claim.kind == "retrain" else None,
            "importedBy": list(chosen.imported_by),
            "trainedBy": list(trained_by),
            "begunAt": min(
                (at for claim_of_drop in chosen.all for at in claim_of_drop.taken_at), default=run.now.isoformat()
            ),
            "known": {"content": last_full.content, "key": last_full.key, "run": last_full.run} if last_full else None,
            "last": {"key": last.key, "run": last.runs[-1]} if last else None,
            "since": {"key": since.key, "run": since.runs[-1]} if since else None,
            "ids": {kind: [*by] for kind in _WITH_IDS if (by := batches.importers(every, kind, run.name))},
        },
    }


def check_lead(ledger: Ledger, executions: Executions, run: Run, shop: str, drops: Sequence[Drop]) -> None:
    """Make sure before a paid training that the run still leads the shop.

    A stopped and redriven run may have lost its lease and its drops to another run. From here on the claims record that
    a training may include them.

    Raises:
        Rejected: another run leads the shop or took the drops.
        RetryLater: see `lead`; or a claim changed meanwhile.
    """
    holder = lead(ledger, executions, run, shop)
    ids = {claim_id for drop in drops for claim_id in (drop.id, *drop.also)}
    of_run = [claim for claim in ledger.claims(shop) if claim.id in ids]
    lost = [claim.run for claim in of_run if claim.run != run.name]
    if holder or lost:
        raise Rejected(shop, f"run {holder or lost[0]} has taken over the work of this run")
    for claim in of_run:
        since = claim.trained_since or run.now.isoformat()
        _move(ledger, claim, claim.replaced(trained_since=since))


def finish(
    ledger: Ledger, executions: Executions, run: Run, shop: str, drops: Sequence[Drop], end: End = SUCCESS
) -> dict[str, object]:
    """Record the outcomes of the drops that a run handled, release the lease, and start a run for pending claims.

    Returns:
        `{next}`: the next run, or null.
    """
    results = {claim_id: drop for drop in drops for claim_id in (drop.id, *drop.also)}
    every = ledger.claims(shop)
    of_run = [claim for claim in every if claim.state == "taken" and claim.run == run.name]
    for claim in _taken_in(every, of_run, drops, end):
        ledger.move(claim, claim.moved("done", run.name, f"imported by run {claim.run}, trained on by this one"))
    for claim in of_run:
        ledger.move(claim, _ended(claim, results.get(claim.id), run.name, end))
    release_lease(ledger, shop, run.name, run.now)
    after = ledger.claims(shop)
    # Without the second condition a shop whose runs cannot start would start one after the other.
    if not any(batches.is_waiting(claim, run.name) for claim in after) or (
        end.failure is not None and not any(claim.run == run.name for claim in after)
    ):
        return {"next": None}
    return {"next": concurrent_drops.start_next(executions, shop, run.name)}


def finish_erasure(ledger: Ledger, executions: Executions, shop: str, erasure: str, now: datetime) -> str | None:
    """Release an erasure's lease, and start a run for pending claims; return its name."""
    release_lease(ledger, shop, erasure, now)
    return concurrent_drops.start_next(executions, shop, erasure) if concurrent_drops.needs_run(ledger, shop) else None


def _taken_in(every: Sequence[Claim], of_run: Sequence[Claim], drops: Sequence[Drop], end: End) -> list[Claim]:
    """Return failed claims whose imported data this run trained on: they need no retry.

    The training may belong to an earlier run whose work this one continued.
    """
    partly = {claim.id for claim in of_run if claim.recipes}
    of_all = [drop for drop in drops if drop.id not in partly]
    trained = any(drop.outcome == "retrained" or (drop.kind, drop.outcome) == TRAINED for drop in of_all)
    if end.failure is not None or not trained:
        return []
    began = max((claim.trained_since for claim in of_run if claim.kind in batches.trained_on(of_run)), default="")
    return [claim for claim in every if claim.state == "failed" and claim.loaded and claim.taken_at[-1] < began]


def _ended(claim: Claim, result: Drop | None, run: str, end: End) -> Claim:
    if result is not None and result.outcome == "refused":
        # Claims that were joined with a refused file wait for the next run.
        return claim.moved("refused", run, result.reason) if claim.id == result.id else claim.moved("held", run)
    if result is not None and result.outcome == "later":
        # The run's import has none of its data: the next run must not mistake that import for its own.
        return claim.undone().moved("pending", "")
    if result is not None and result.outcome in _SETTLED:
        # Even if another drop of the run failed.
        return claim.moved("held" if result.outcome == "held" else "done", run, result.reason)
    if result is not None and result.outcome == "alreadyHandled":
        # The run's import has none of its data, and no other drop of the same bytes shares the run's work.
        return claim.undone().moved("done", run, result.reason)
    imported = result is not None and result.outcome == "imported"
    content = result.content if result is not None and imported else claim.content
    if end.failure is not None:
        loaded = claim.loaded or (claim.kind in end.imported and imported)
        return claim.moved("failed", run, end.failure).replaced(loaded=loaded, content=content if loaded else "")
    return claim.moved("done", run, result.reason if result else "").replaced(content=content)
