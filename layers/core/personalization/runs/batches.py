# SPDX-License-Identifier: Apache-2.0
"""Which of a shop's claims one run handles, and whose work it goes on with.

Import jobs and solution versions are named after the run that made them. A run that handles exactly what an earlier
run had before that died or failed looks for the earlier one's jobs and trainings, so that nothing is paid for twice.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from personalization.runs.claims import ORDER, Claim, ClaimKind

DATA: tuple[ClaimKind, ...] = ("users", "items", "interactions")
"""The kinds that are imported: what a training depends on."""
TOGETHER = 200
"""Files that are joined into one import at most: a run's state has 256 KiB, and one function reads them all. The others
wait for the run that follows."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A claim that a run handles, with the earlier ones that are imported together with it."""

    claim: Claim
    joined: tuple[Claim, ...] = ()
    imported_by: tuple[str, ...] = ()
    """Earlier runs that had exactly these claims of the kind to import, the first one first."""

    @property
    def all(self) -> tuple[Claim, ...]:
        """Oldest first."""
        return (*self.joined, self.claim)


@dataclass(frozen=True, slots=True)
class Batch:
    """What a run does with a shop's claims."""

    chosen: tuple[Chosen, ...]
    """Of each kind one, in the order of ORDER."""
    superseded: tuple[tuple[Claim, Claim], ...]
    """(a claim that needs no handling any more, the one that replaces it)."""
    later: tuple[tuple[Claim, Claim], ...]
    """(a claim as it was, as it waits for the run that follows)."""
    trained_by: tuple[str, ...]
    """Earlier runs that had exactly this batch to train on, the first one first."""


def waiting(claim: Claim, run: str = "") -> bool:
    """Whether a run is wanted for a claim; `run` is the one that asks, whose own claims are not waiting."""
    return claim.state == "pending" or (claim.state == "taken" and claim.run != run)


@dataclass(frozen=True, slots=True)
class _OfKind:
    chosen: tuple[Chosen, ...] = ()
    superseded: tuple[tuple[Claim, Claim], ...] = ()
    later: tuple[tuple[Claim, Claim], ...] = ()


def choose(every: Sequence[Claim], run: str, again: str | None = None) -> Batch:
    """What a run that holds the shop's lease handles.

    What another run had taken is free: only who holds the lease takes, so that run is dead. Per kind: of one key the
    newest object counts. The newest FULL comes first and replaces what is older; incremental drops that came after it
    wait for the next run. Without a FULL, incremental drops of interactions are joined into one import, except that
    those which an earlier run had joined stay by themselves: they may be imported already. Those of users and items,
    where a later row replaces an earlier one, are taken one a run, and so are retrainings of different recipes. What is
    later than what is imported now, and was imported before, is imported again by the run that follows.

    Args:
        every: the shop's claims.
        run: the run that asks.
        again: a failed run whose claims are to be handled again.
    """
    kinds = [_choose(kind, every, again) for kind in ORDER]
    chosen = tuple(
        replace(one, imported_by=_same(every, one.all, (one.claim.kind,), run)) for kind in kinds for one in kind.chosen
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
    # A wish has no place in time: an earlier one that was followed replaces none.
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
    """What replaces a claim of those that wait with it: a later object of its key, a later whole history, or, of a
    retraining, one that trains the same or more."""
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
    """Whether a retraining trains all that the other one would."""
    every = not wish.recipes or (bool(other.recipes) and {*other.recipes} <= {*wish.recipes})
    return every and wish.training_mode in {"FULL", other.training_mode}


def _outdated_by(claim: Claim, done: Sequence[Claim]) -> Claim | None:
    """What was imported already and replaces a claim. Of different keys only S3's clock tells which came later."""
    after = (
        each
        for each in reversed(done)
        if (each.key == claim.key and each.order > claim.order) or (each.mode == "FULL" and each.at > claim.at)
    )
    return next(after, None)


def _pick(kind: ClaimKind, ours: Sequence[Claim]) -> Chosen | None:
    """One import of claims that nothing replaces, oldest first: so a FULL is the only one."""
    full = [each for each in ours if each.mode == "FULL"]
    if full:
        return Chosen(full[-1])
    if not any(each.state != "held" for each in ours):
        return None
    if kind != "interactions":
        return Chosen(ours[0])
    begun = [each for each in ours if each.runs and each.state != "held"]
    together = [each for each in begun if {*each.runs} & {*begun[0].runs}] if begun else ours[-TOGETHER:]
    return Chosen(together[-1], tuple(together[:-1]))


def _imported_before(
    kind: ClaimKind, picked: Claim, known: Sequence[Claim], free: Collection[str]
) -> tuple[tuple[Claim, Claim], ...]:
    """What is later than the claim and may be in the dataset already: the import would undo it.

    Interactions are only added, by an import that is no FULL.
    """
    if kind not in DATA or picked.loaded or (kind == "interactions" and picked.mode != "FULL"):
        return ()
    later = [each for each in known if each.order > picked.order and each.at >= picked.at and each.runs]
    lost = [each for each in later if each.state in {"done", "taken", "failed"}]
    return tuple(
        (each, each.undone().moved("pending", "") if each.state == "done" or each.id in free else each.undone())
        for each in lost
    )


def known(every: Sequence[Claim], claim: Claim) -> Claim | None:
    """The newest whole history of a claim's kind that was imported, if the dataset still is what it made it.

    Another run may have brought something of what it took after that, and whoever erased users has cleared `content`.

    Args:
        every: the shop's claims.
        claim: a whole history that a run handles.
    """
    if claim.mode != "FULL":
        return None
    others = (each for each in newest([each for each in every if each.id != claim.id]) if each.kind == claim.kind)
    found = next(others, None)
    return found if found and found.mode == "FULL" and found.state == "done" and found.content else None


def newest(every: Sequence[Claim]) -> list[Claim]:
    """Of each kind of data what a run took last, unless it brought nothing."""
    came = [each for each in every if each.taken_at and each.state not in {"refused", "held"}]
    of_kinds = ([each for each in came if each.kind == kind] for kind in DATA)
    return [max(some, key=lambda each: each.taken_at[-1]) for some in of_kinds if some]


def trained_on(claims: Sequence[Claim]) -> tuple[ClaimKind, ...]:
    """The kinds that decide what a run's training is: with interactions a retraining is fulfilled by the way."""
    return DATA if any(each.kind == "interactions" for each in claims) else (*DATA, "retrain")


def _trained_by(every: Sequence[Claim], chosen: Sequence[Chosen], run: str) -> tuple[str, ...]:
    taken = [each for one in chosen for each in one.all]
    of = trained_on(taken)
    mine = [each for each in taken if each.kind in of]
    return tuple(each for each in _same(every, mine, of, run) if not _imported_since(every, mine, each))


def _imported_since(every: Sequence[Claim], mine: Sequence[Claim], run: str) -> bool:
    """Whether runs after this one, which had `mine`, imported something else: its training has none of it."""
    began = max(each.taken_at[each.runs.index(run)] for each in mine)
    done = (each for each in every if each.kind in DATA and each.state == "done" and each not in mine)
    return any(each.taken_at[-1] > began for each in done if each.taken_at)


def _same(every: Sequence[Claim], mine: Sequence[Claim], kinds: Collection[ClaimKind], run: str) -> tuple[str, ...]:
    """The earlier runs that had exactly these claims of the kinds, but for what they refused or were through with."""
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
