# SPDX-License-Identifier: Apache-2.0
"""How designs that wait by asking notice the end of a job, and how often they ask: ours read from its machine."""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

_PAUSE = re.compile(
    r"\{% \(\$grown := \$states\.input\.\(.* : worked / (?P<part>\d+)\); "
    r"\$max\(\[1, \$floor\(\(\$\{PollSeconds\} \+ \$grown\) "
    r"\* \((?P<least>[\d.]+) \+ \$random\(\) / (?P<spread>\d+)\)\)\]\)\) %\}"
)
Chance = Callable[[], float]
"""Numbers from 0 to 1."""
AWS_MINUTES = {
    "the dataset group": 1.0,
    "the dataset": 0.5,
    "the import job": 12.0,
    "the event tracker": 0.5,
    "the filter": 3.0,
    "the solution": 0.5,
    "the solution version": 60.0,
    "the campaign": 10.0,
}
"""Minutes that each takes, as the field reports of 2020 to 2026 have them for shops of some million interactions."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The pauses between two looks at a job, in seconds.

    Attributes:
        first: the first pause.
        growth: the part of the time waited by which pauses grow; or, where `powers`, the factor from one to the next.
        least: the least part of a pause that is waited.
        spread: the part above it that chance decides.
        powers: whether pauses are powers of a factor, as those of Step Functions' retries are.
        looks: the most looks; then the design gives up.
    """

    first: float
    growth: float
    least: float = 1.0
    spread: float = 0.0
    powers: bool = False
    looks: int = 10_000

    def pause(self, waited: float, number: int, chance: Chance) -> float:
        """The pause after so many seconds and so many pauses."""
        if self.powers:
            return self.first * self.growth**number
        return max(1, int((self.first + self.growth * waited) * (self.least + self.spread * chance())))

    def look_times(self, seconds: float, chance: Chance) -> list[float]:
        """When a job that takes so many seconds is looked at, from its start to the look that sees its end.

        The last look sees no end where the design gives up before.
        """
        times = [0.0]
        while times[-1] < seconds and len(times) < self.looks:
            times.append(times[-1] + self.pause(times[-1], len(times) - 1, chance))
        return times


RETRIES = {
    "long": Pace(60, 1.02, powers=True, looks=101),
    "short": Pace(8, 1.25, powers=True, looks=16),
    "group": Pace(5, 1.02, powers=True, looks=31),
}
ML_OPS = Pace(60, 1.5, powers=True, looks=101)
"""aws-samples/amazon-personalize-samples, next_steps/operations/ml_ops: 60 s x 1.5^n."""
LATER_RUN = (
    ("the dataset group", 1, 0),
    ("the dataset", 1, 0),
    ("the import job", 1, 1),
    ("the event tracker", 1, 0),
    ("the filter", 1, 0),
    ("the solution", 4, 0),
    ("the solution version", 4, 1),
    ("the campaign", 4, 1),
)
"""What a later run of a shop waits for, in order: how many of each at once, and whether it takes its time."""


def pace_of(machine: Mapping[str, Any], poll_seconds: int) -> Pace:
    """Return the pace at which the machine that waits for all others asks.

    Args:
        machine: its definition, with the substitutions not made.
        poll_seconds: the template's parameter PollSeconds.
    """
    (wait,) = [state for state in machine["States"].values() if state["Type"] == "Wait"]
    pause = _PAUSE.fullmatch(wait["Seconds"])
    if pause is None:
        raise ValueError(f"pauses have another form than the model knows: {wait['Seconds']}")
    return Pace(poll_seconds, 1000 / int(pause["part"]), float(pause["least"]), 1 / int(pause["spread"]))


def asks(pace: Pace, durations: Sequence[float], chance: Chance) -> int:
    """Return how often a function is asked that makes resources one after the other, which take so many seconds.

    The ask that sees the end of one makes the next, and pauses begin anew.
    """
    now, number = 0.0, 1
    for seconds in durations:
        begun = now
        while now < begun + seconds:
            now += pace.pause(now - begun, number, chance)
            number += 1
    return number


def longest_pause(times: list[float]) -> float:
    """The longest pause between two looks."""
    return max((later - earlier for earlier, later in pairwise(times)), default=0.0)


def twenty(pace: Pace, *, spread: bool, shops: int = 20) -> list[float]:
    """When twenty shops that drop again in the same second look at Personalize, in seconds after it.

    Everything that a later run finds is ACTIVE at its first look. A step between two waits takes half a second to
    three seconds; what takes time takes exactly as long for every shop.
    """
    times: list[float] = []
    for shop in range(shops):
        rng = random.Random(shop)
        chance = rng.random if spread else lambda: 0.5
        now = 0.0
        for what, number, lasts in LATER_RUN:
            ends = []
            for _ in range(number):
                begun = now + (rng.uniform(0.5, 3) if spread else 1.0)
                looks = pace.look_times(60 * AWS_MINUTES[what] * lasts, chance)
                times += [begun + look for look in looks]
                ends.append(begun + looks[-1])
            now = max(ends)
    return times
