# SPDX-License-Identifier: Apache-2.0
"""Choose the claims that one run handles, and the earlier runs whose work it continues.

Import jobs and solution versions carry the name of the run that made them. A run with exactly the claims of an earlier
failed run looks for that run's jobs and trainings, so that nothing is paid for twice.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from table_intake import EVENTS, DataKind

from personalization.runs.claims import ORDER, Claim, ClaimKind

DATA: tuple[ClaimKind, ...] = ("users", "items", "actions", "action-interactions", "interactions")
"""The kinds that are imported and trained on."""
MAX_JOINED = 200
"""The most files that are joined into one import: a run's state holds 256 KiB, and one function reads all of them.
Further files are left to the next run."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A claim that a run handles, and the earlier claims that are imported with it."""

    claim: Claim
    joined: tuple[Claim, ...] = ()
    imported_by: tuple[str, ...] = ()
    """Earlier runs that imported exactly these claims of the kind, oldest first."""

    @property
    def all(self) -> tuple[Claim, ...]:
        return (*self.joined, self.claim)


@dataclass(frozen=True, slots=True)
class Batch:
    """The claims that a run handles, drops or leaves to the next run."""

    chosen: tuple[Chosen, ...]
    """At most one for each kind, in the order of ORDER."""
    superseded: tuple[tuple[Claim, Claim], ...]
    """Pairs of a superseded claim and the claim that replaces it."""
    later: tuple[tuple[Claim, Claim], ...]
    """Pairs of a claim as it was and as it waits for the next run."""
    trained_by: tuple[str, ...]
    """Earlier runs that trained on exactly this batch, oldest first."""


def is_waiting(claim: Claim, run: str = "") -> bool:
    """Return whether a claim needs a run other than `run`."""
    return claim.state == "pending" or (claim.state == "taken" and claim.run != run)


def to_continue(every: Sequence[Claim]) -> list[Claim]:
    """Return the claims of failed runs that nothing imported since has replaced."""
    done = [claim for claim in every if (claim.state == "done" or claim.loaded) and claim.kind != "retrain"]
    return [
        claim
        for claim in every
        if claim.state == "failed"
        and not _outdated_by(claim, [other for other in done if other.kind == claim.kind and other.id != claim.id])
    ]


@dataclass(frozen=True, slots=True)
class _OfKind:
    chosen: tuple[Chosen, ...] = ()
    superseded: tuple[tuple[Claim, Claim], ...] = ()
    later: tuple[tuple[Claim, Claim], ...] = ()


def choose(every: Sequence[Claim], run: str, again: str | None = None) -> Batch:
    """Return the claims that a run handles while it holds the shop's lease.

    Claims that another run took are free again: only the holder of the lease takes claims, so that run is dead. Of
    objects with one key the newest counts. The newest FULL comes first and replaces older claims; later incremental
    drops wait for the next run. Without a FULL, incremental interactions are joined into one import, except those that
    an earlier run had joined, which may be imported already. A run takes one incremental drop of users and of items,
    where a later row replaces an earlier one, and one retraining. Claims that are newer than this import and were
    imported before are imported again by the next run. Claims of the failed run `again` are retried.
    """
    kinds = [_choose(kind, every, again) for kind in ORDER]
    chosen = tuple(
        replace(chosen_drop, imported_by=_runs_with_same_claims(every, chosen_drop.all, (chosen_drop.claim.kind,), run))
        for kind in kinds
        for chosen_drop in kind.chosen
    )
    return Batch(
        chosen,
        tuple(pair for kind in kinds for pair in kind.superseded),
        tuple(pair for kind in kinds for pair in kind.later),
        _trained_by(every, chosen, run),
    )


def _choose(kind: ClaimKind, every: Sequence[Claim], again: str | None) -> _OfKind:
    of_kind = sorted((claim for claim in every if claim.kind == kind), key=lambda claim: claim.order)
    free = [claim for claim in of_kind if _free(claim, again)]
    # Retrainings have no order in time: a finished one replaces none.
    done = [claim for claim in of_kind if claim.state == "done" or claim.loaded] if kind != "retrain" else []
    replaced = {claim.id: _newer(claim, free) or _outdated_by(claim, done) for claim in free}
    superseded = tuple((claim, newer) for claim in free if (newer := replaced[claim.id]))
    ours = [claim for claim in free if not replaced[claim.id]]
    picked = _pick(kind, ours)
    if picked is None:
        return _OfKind((), superseded)
    again_later = _imported_before(kind, picked.claim, of_kind, {claim.id for claim in free})
    if again_later:
        picked = replace(picked, claim=picked.claim.undone())
    taken = {claim.id for claim in picked.all} | {old.id for old, _ in again_later}
    put_off = [claim for claim in ours if claim.id not in taken and claim.state == "failed"]
    return _OfKind((picked,), superseded, (*again_later, *((claim, claim.moved("pending", "")) for claim in put_off)))


def _free(claim: Claim, again: str | None) -> bool:
    return claim.state in {"pending", "taken", "held"} or (claim.state == "failed" and claim.run == again)


def _newer(claim: Claim, free: Sequence[Claim]) -> Claim | None:
    """Return the free claim that replaces this one.

    That is a later object of its key or a later FULL; for a retraining, one that trains the same recipes or more.
    """
    if claim.kind == "retrain":
        wider = (retraining for retraining in reversed(free) if _covers(retraining, claim))
        return next(
            (retraining for retraining in wider if not _covers(claim, retraining) or retraining.order > claim.order),
            None,
        )
    after = (
        other
        for other in reversed(free)
        if (other.key == claim.key and other.order > claim.order)
        or (other.mode == "FULL" and (other.at > claim.at or (claim.mode == "FULL" and other.order > claim.order)))
    )
    return next(after, None)


def _covers(wish: Claim, other: Claim) -> bool:
    """Return whether a retraining includes everything that the other one trains."""
    every = not wish.recipes or (bool(other.recipes) and {*other.recipes} <= {*wish.recipes})
    return every and wish.training_mode in {"FULL", other.training_mode}


def _outdated_by(claim: Claim, done: Sequence[Claim]) -> Claim | None:
    """Return the imported claim that replaces this one; between keys S3's clock decides which is later."""
    after = (
        other
        for other in reversed(done)
        if (other.key == claim.key and other.order > claim.order) or (other.mode == "FULL" and other.at > claim.at)
    )
    return next(after, None)


def _pick(kind: ClaimKind, ours: Sequence[Claim]) -> Chosen | None:
    """Choose one import from the current claims, oldest first; a FULL stands alone."""
    full = [claim for claim in ours if claim.mode == "FULL"]
    if full:
        return Chosen(full[-1])
    if not any(claim.state != "held" for claim in ours):
        return None
    if kind != "interactions":
        return Chosen(ours[0])
    begun = [claim for claim in ours if claim.runs and claim.state != "held"]
    together = [claim for claim in begun if {*claim.runs} & {*begun[0].runs}] if begun else ours[-MAX_JOINED:]
    return Chosen(together[-1], tuple(together[:-1]))


def _imported_before(
    kind: ClaimKind, picked: Claim, of_kind: Sequence[Claim], free: Collection[str]
) -> tuple[tuple[Claim, Claim], ...]:
    """Return claims that are later than the picked one and may be imported already: this import would undo them.

    Incremental imports of events only add rows and undo nothing.
    """
    if kind not in DATA or picked.loaded or (kind in EVENTS and picked.mode != "FULL"):
        return ()
    later = [claim for claim in of_kind if claim.order > picked.order and claim.at >= picked.at and claim.runs]
    lost = [claim for claim in later if claim.state in {"done", "taken", "failed"}]
    return tuple(
        (claim, claim.undone().moved("pending", "") if claim.state == "done" or claim.id in free else claim.undone())
        for claim in lost
    )


def latest_full(every: Sequence[Claim], claim: Claim) -> Claim | None:
    """Return the latest imported FULL of a claim's kind if the dataset still holds exactly its data.

    Later imports change the dataset, and an erasure of users clears `content`.
    """
    if claim.mode != "FULL":
        return None
    others = (other for other in newest([other for other in every if other.id != claim.id]) if other.kind == claim.kind)
    last = next(others, None)
    return last if last and last.mode == "FULL" and last.state == "done" and last.content else None


def last_imports(every: Sequence[Claim], claim: Claim) -> tuple[Claim | None, Claim | None]:
    """Return the last claim of the same kind and mode whose data were imported, and one of the other mode after it."""
    imported = [other for other in _imported(every, claim.kind) if other.id != claim.id]
    last = next((other for other in reversed(imported) if other.mode == claim.mode), None)
    return last, next((other for other in imported[-1:] if other is not last), None)


def importers(every: Sequence[Claim], kind: DataKind, but: str) -> tuple[str, ...]:
    """Return the runs, other than `but`, that took the claim of a kind that was imported last; the latest first."""
    last = _imported(every, kind)[-1:]
    return tuple(run for claim in last for run in reversed(claim.runs) if run != but)


def _imported(every: Sequence[Claim], kind: ClaimKind) -> list[Claim]:
    """Return the claims of a kind whose data were imported, the last one last."""
    imported = [
        claim for claim in every if claim.kind == kind and claim.taken_at and (claim.state == "done" or claim.loaded)
    ]
    return sorted(imported, key=lambda claim: (claim.taken_at[-1], claim.order))


def newest(every: Sequence[Claim]) -> list[Claim]:
    """Return the last claim of each kind that a run took and did not refuse."""
    came = [claim for claim in every if claim.taken_at and claim.state not in {"refused", "held"}]
    of_kinds = ([claim for claim in came if claim.kind == kind] for kind in DATA)
    return [max(some, key=lambda claim: claim.taken_at[-1]) for some in of_kinds if some]


def trained_on(claims: Sequence[Claim]) -> tuple[ClaimKind, ...]:
    """Return the kinds that determine a training: new interactions include a retraining."""
    return DATA if any(claim.kind == "interactions" for claim in claims) else (*DATA, "retrain")


def _trained_by(every: Sequence[Claim], chosen: Sequence[Chosen], run: str) -> tuple[str, ...]:
    taken = [claim for chosen_drop in chosen for claim in chosen_drop.all]
    of = trained_on(taken)
    relevant = [claim for claim in taken if claim.kind in of]
    return tuple(
        earlier
        for earlier in _runs_with_same_claims(every, relevant, of, run)
        if not _imported_since(every, relevant, earlier)
    )


def _imported_since(every: Sequence[Claim], relevant: Sequence[Claim], run: str) -> bool:
    """Return whether later runs imported other data that this run's training lacks."""
    began = max(claim.taken_at[claim.runs.index(run)] for claim in relevant)
    done = (claim for claim in every if claim.kind in DATA and claim.state == "done" and claim not in relevant)
    return any(claim.taken_at[-1] > began for claim in done if claim.taken_at)


def _runs_with_same_claims(
    every: Sequence[Claim], relevant: Sequence[Claim], kinds: Collection[ClaimKind], run: str
) -> tuple[str, ...]:
    """Return the earlier runs that had exactly these claims of the kinds, apart from refused and finished ones."""
    if not relevant:
        return ()
    ids = {claim.id for claim in relevant}
    common = [
        earlier for earlier in relevant[-1].runs if earlier != run and all(earlier in claim.runs for claim in relevant)
    ]
    others = [claim for claim in every if claim.kind in kinds and claim.id not in ids and claim.state != "refused"]
    return tuple(
        earlier
        for earlier in common
        if not any(earlier in claim.runs and (claim.state, claim.run) != ("done", earlier) for claim in others)
    )
