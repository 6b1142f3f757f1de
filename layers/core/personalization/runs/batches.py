# SPDX-License-Identifier: Apache-2.0
"""Choose the claims that one run handles, and the earlier runs whose work it continues.

Import jobs and solution versions carry the name of the run that made them. A run with exactly the claims of an earlier
failed run looks for that run's jobs and trainings, so that nothing is paid for twice.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from table_intake import DataKind

from personalization.runs.claims import ORDER, Claim, ClaimKind

DATA: tuple[ClaimKind, ...] = ("users", "items", "interactions")
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
        replace(one, imported_by=_runs_with_same_claims(every, one.all, (one.claim.kind,), run))
        for kind in kinds
        for one in kind.chosen
    )
    return Batch(
        chosen,
        tuple(pair for kind in kinds for pair in kind.superseded),
        tuple(pair for kind in kinds for pair in kind.later),
        _trained_by(every, chosen, run),
    )


def _choose(kind: ClaimKind, every: Sequence[Claim], again: str | None) -> _OfKind:
    known = sorted((each for each in every if each.kind == kind), key=lambda each: each.order)
    free = [each for each in known if _free(each, again)]
    # Retrainings have no order in time: a finished one replaces none.
    done = [each for each in known if each.state == "done" or each.loaded] if kind != "retrain" else []
    replaced = {each.id: _newer(each, free) or _outdated_by(each, done) for each in free}
    superseded = tuple((each, newer) for each in free if (newer := replaced[each.id]))
    ours = [each for each in free if not replaced[each.id]]
    picked = _pick(kind, ours)
    if picked is None:
        return _OfKind((), superseded)
    again_later = _imported_before(kind, picked.claim, known, {each.id for each in free})
    if again_later:
        picked = replace(picked, claim=picked.claim.undone())
    taken = {each.id for each in picked.all} | {old.id for old, _ in again_later}
    put_off = [each for each in ours if each.id not in taken and each.state == "failed"]
    return _OfKind((picked,), superseded, (*again_later, *((each, each.moved("pending", "")) for each in put_off)))


def _free(claim: Claim, again: str | None) -> bool:
    return claim.state in {"pending", "taken", "held"} or (claim.state == "failed" and claim.run == again)


def _newer(claim: Claim, free: Sequence[Claim]) -> Claim | None:
    """Return the free claim that replaces this one.

    That is a later object of its key or a later FULL; for a retraining, one that trains the same recipes or more.
    """
    if claim.kind == "retrain":
        wider = (each for each in reversed(free) if _covers(each, claim))
        return next((each for each in wider if not _covers(claim, each) or each.order > claim.order), None)
    after = (
        each
        for each in reversed(free)
        if (each.key == claim.key and each.order > claim.order)
        or (each.mode == "FULL" and (each.at > claim.at or (claim.mode == "FULL" and each.order > claim.order)))
    )
    return next(after, None)


def _covers(wish: Claim, other: Claim) -> bool:
    """Return whether a retraining includes everything that the other one trains."""
    every = not wish.recipes or (bool(other.recipes) and {*other.recipes} <= {*wish.recipes})
    return every and wish.training_mode in {"FULL", other.training_mode}


def _outdated_by(claim: Claim, done: Sequence[Claim]) -> Claim | None:
    """Return the imported claim that replaces this one; between keys S3's clock decides which is later."""
    after = (
        each
        for each in reversed(done)
        if (each.key == claim.key and each.order > claim.order) or (each.mode == "FULL" and each.at > claim.at)
    )
    return next(after, None)


def _pick(kind: ClaimKind, ours: Sequence[Claim]) -> Chosen | None:
    """Choose one import from the current claims, oldest first; a FULL stands alone."""
    full = [each for each in ours if each.mode == "FULL"]
    if full:
        return Chosen(full[-1])
    if not any(each.state != "held" for each in ours):
        return None
    if kind != "interactions":
        return Chosen(ours[0])
    begun = [each for each in ours if each.runs and each.state != "held"]
    together = [each for each in begun if {*each.runs} & {*begun[0].runs}] if begun else ours[-MAX_JOINED:]
    return Chosen(together[-1], tuple(together[:-1]))


def _imported_before(
    kind: ClaimKind, picked: Claim, known: Sequence[Claim], free: Collection[str]
) -> tuple[tuple[Claim, Claim], ...]:
    """Return claims that are later than the picked one and may be imported already: this import would undo them.

    Incremental imports of interactions only add rows and undo nothing.
    """
    if kind not in DATA or picked.loaded or (kind == "interactions" and picked.mode != "FULL"):
        return ()
    later = [each for each in known if each.order > picked.order and each.at >= picked.at and each.runs]
    lost = [each for each in later if each.state in {"done", "taken", "failed"}]
    return tuple(
        (each, each.undone().moved("pending", "") if each.state == "done" or each.id in free else each.undone())
        for each in lost
    )


def latest_full(every: Sequence[Claim], claim: Claim) -> Claim | None:
    """Return the latest imported FULL of a claim's kind if the dataset still holds exactly its data.

    Later imports change the dataset, and an erasure of users clears `content`.
    """
    if claim.mode != "FULL":
        return None
    others = (each for each in newest([each for each in every if each.id != claim.id]) if each.kind == claim.kind)
    found = next(others, None)
    return found if found and found.mode == "FULL" and found.state == "done" and found.content else None


def last_imports(every: Sequence[Claim], claim: Claim) -> tuple[Claim | None, Claim | None]:
    """Return the last claim of the same kind and mode whose data were imported, and one of the other mode after it."""
    imported = [each for each in _imported(every, claim.kind) if each.id != claim.id]
    last = next((each for each in reversed(imported) if each.mode == claim.mode), None)
    return last, next((each for each in imported[-1:] if each is not last), None)


def importers(every: Sequence[Claim], kind: DataKind, but: str) -> tuple[str, ...]:
    """Return the runs, other than `but`, that took the claim of a kind that was imported last; the latest first."""
    last = _imported(every, kind)[-1:]
    return tuple(run for each in last for run in reversed(each.runs) if run != but)


def _imported(every: Sequence[Claim], kind: ClaimKind) -> list[Claim]:
    """Return the claims of a kind whose data were imported, the last one last."""
    found = [each for each in every if each.kind == kind and each.taken_at and (each.state == "done" or each.loaded)]
    return sorted(found, key=lambda each: (each.taken_at[-1], each.order))


def newest(every: Sequence[Claim]) -> list[Claim]:
    """Return the last claim of each kind that a run took and did not refuse."""
    came = [each for each in every if each.taken_at and each.state not in {"refused", "held"}]
    of_kinds = ([each for each in came if each.kind == kind] for kind in DATA)
    return [max(some, key=lambda each: each.taken_at[-1]) for some in of_kinds if some]


def trained_on(claims: Sequence[Claim]) -> tuple[ClaimKind, ...]:
    """Return the kinds that determine a training: new interactions include a retraining."""
    return DATA if any(each.kind == "interactions" for each in claims) else (*DATA, "retrain")


def _trained_by(every: Sequence[Claim], chosen: Sequence[Chosen], run: str) -> tuple[str, ...]:
    taken = [each for one in chosen for each in one.all]
    of = trained_on(taken)
    mine = [each for each in taken if each.kind in of]
    return tuple(
        each for each in _runs_with_same_claims(every, mine, of, run) if not _imported_since(every, mine, each)
    )


def _imported_since(every: Sequence[Claim], mine: Sequence[Claim], run: str) -> bool:
    """Return whether later runs imported other data that this run's training lacks."""
    began = max(each.taken_at[each.runs.index(run)] for each in mine)
    done = (each for each in every if each.kind in DATA and each.state == "done" and each not in mine)
    return any(each.taken_at[-1] > began for each in done if each.taken_at)


def _runs_with_same_claims(
    every: Sequence[Claim], mine: Sequence[Claim], kinds: Collection[ClaimKind], run: str
) -> tuple[str, ...]:
    """Return the earlier runs that had exactly these claims of the kinds, apart from refused and finished ones."""
    if not mine:
        return ()
    ids = {each.id for each in mine}
    common = [each for each in mine[-1].runs if each != run and all(each in claim.runs for claim in mine)]
    others = [each for each in every if each.kind in kinds and each.id not in ids and each.state != "refused"]
    return tuple(
        earlier
        for earlier in common
        if not any(earlier in each.runs and (each.state, each.run) != ("done", earlier) for each in others)
    )
