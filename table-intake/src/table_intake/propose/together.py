# SPDX-License-Identifier: Apache-2.0
"""Propose settings for several files at once: which is which, and what is left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from table_intake.columns.header import canonical
from table_intake.kinds import DataKind
from table_intake.propose import personal
from table_intake.propose.judgement import Judgement, judge
from table_intake.propose.proposal import Proposal
from table_intake.propose.propose import propose_settings
from table_intake.propose.samples import Ids, Sample
from table_intake.settings.tables import TableSettings

_SHOWN = 8
"""Columns named in a message."""


@dataclass(frozen=True, slots=True)
class File:
    """A file, and what it has."""

    path: str
    sample: Sample
    judgement: Judgement

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Proposals:
    """Settings for several files, one of each kind."""

    used: Sequence[tuple[File, Proposal]]
    left_out: Sequence[tuple[File, str]]
    """The other files, each with the reason."""


def propose_together(samples: Mapping[str, Sample], settings: TableSettings, kind: DataKind | None = None) -> Proposals:
    """Return settings with which files can be read.

    Args:
        samples: the first rows of each file, by its path.
        settings: what the shop has set, which stays.
        kind: what all of them have; None to tell it file by file.
    """
    files = [File(path, sample, judge(sample, settings)) for path, sample in samples.items()]
    ids: Ids = {}
    proposed: dict[DataKind, list[tuple[File, Proposal]]] = {}
    left_out: list[tuple[File, str]] = []
    # Files of interactions come first: their ids tell the keys of the others.
    for file in sorted(files, key=lambda file: (kind or file.judgement.kind) != "interactions"):
        proposal = propose_settings(file.sample, settings, kind, ids) if kind or file.judgement.kind else None
        if proposal is None:
            left_out.append((file, _unknown(file, files)))
            continue
        proposed.setdefault(proposal.kind, []).append((file, proposal))
        if proposal.kind == "interactions":
            ids = ids or file.sample.ids(proposal.columns)
    used = []
    for same_kind, several in proposed.items():
        best = min(several, key=lambda pair: (len(pair[1].missing), bool(pair[0].judgement.otherwise)))
        used.append(best)
        left_out += [
            (file, f"it has {same_kind}, as {best[0].name} has ({file.judgement.because}). Map it by itself")
            for file, _ in several
            if file is not best[0]
        ]
    return Proposals(used, left_out)


def personal_ids(sample: Sample, proposal: Proposal) -> str:
    """Return the kind of personal data that ids of users are, in words; "" where they are none."""
    return personal.kind_of([*sample.ids(proposal.columns).get("USER_ID", ())])


def _unknown(file: File, files: Sequence[File]) -> str:
    """Return why nothing can be proposed for a file; of lines of orders, which file has the orders."""
    judgement, sample = file.judgement, file.sample
    if judgement.order is None:
        columns = ", ".join(sample.header[:_SHOWN])
        return f"{judgement.because}. Its first row ({columns}) must name its columns; or say so with --kind"
    name, ids = sample.header[judgement.order], set(sample.column(judgement.order)) - {""}
    for other in files:
        for index, heading in enumerate(other.sample.header):
            is_key = canonical(heading) in {canonical(name), "ID"} and other.judgement.kind == "interactions"
            keys = set(other.sample.column(index)) if is_key else set()
            if 2 * len(ids & keys) >= min(len(ids), len(keys)) > 0:
                way = f"Its {name} is the {heading} of {other.name}: join the two by it"
                return f"{judgement.because}. {way}, and map the file that you get"
    return f"{judgement.because}. Join it with the file that has the orders by {name}, and map the file that you get"
