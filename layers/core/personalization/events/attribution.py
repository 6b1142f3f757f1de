# SPDX-License-Identifier: Apache-2.0
"""The sources by which Personalize counts events: placements, and variants of experiments on them.

Of a dataset group it counts 100, for good, and no more (AWS, "Metric attribution requirements"). They follow from the
settings and the experiments that run, so that nothing is stored and all containers say the same.
"""

from collections.abc import Iterable

OTHER = "other"
"""The source of lists that have none of their own: their placement or variant is gone, or beyond the limit."""
_MOST = 100


def sources(placements: Iterable[str], variants: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return the sources besides `other`: placements in alphabetical order, then variants, up to the limit.

    Args:
        placements: of the release. variants: pairs of a placement and a variant's name, in experiments that run.
    """
    names = [*sorted(placements), *(name(placement, variant) for placement, variant in sorted(variants))]
    return frozenset(list(dict.fromkeys(names))[: _MOST - 1])


def name(placement: str, variant: str) -> str:
    """Return the source of a list; `variant` is empty where it is in no experiment."""
    return f"{placement}.{variant}" if variant else placement
