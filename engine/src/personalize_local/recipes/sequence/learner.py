# SPDX-License-Identifier: Apache-2.0
"""One network for a whole training: a tenth of the budget decides, and it learns on with the rows of each model."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from personalize_local.recipes.sequence.training import CHOSEN_A_SECOND, Counted, Learned, Plan, train

TRIED, WHOLE = 0.1, 0.3
"""Shares of the budget: of a first trial, and of each training that goes on, after it or for a model."""
LATER = Plan(epochs=3, more_epochs=6, enough=200_000, rate=1e-3)
"""A network that goes on with a few more rows needs fewer epochs, and smaller steps."""


@dataclass
class Learner:
    """Trains within a budget of minutes, counted in steps: equal data give equal networks.

    The clock bounds it too, by the same minutes, for a machine that is slow or busy. A training that reaches that bound
    depends on the machine. While it decides, the answer is then no, so that its models are those without a network;
    later the network of the latest whole epoch is served.
    """

    minutes: float
    enter: Callable[[str], None]
    """Called with what is done, in words for people."""
    clock: Callable[[], float]
    """Seconds, from any beginning."""
    stopped: bool = False
    """Whether the clock has ended a training."""
    _spent: float = 0.0

    def tried(self, counted: Counted) -> Learned | None:
        """Return a network by a tenth of the budget; None if there is no time, or nothing to learn from."""
        return self._trained("Trying a network", counted, replace(Plan(), most=self._most(TRIED)), None)

    def is_whole(self, counted: Counted) -> bool:
        """Tell whether the trial had time for all rows, so that more of them would not make a better network."""
        rows = len(counted.rows)
        return Plan().epochs_of(rows) * rows <= self._most(TRIED)

    def whole(self, counted: Counted, begun: Learned) -> Learned | None:
        """Return the same network with the steps that the trial lacked; None if time is over."""
        network = self._trained("Training the network", counted, replace(Plan(), most=self._most(WHOLE)), begun)
        return None if self.stopped else network

    def continued(self, counted: Counted, begun: Learned) -> Learned:
        """Return the network after it has read the rows of another model."""
        plan = replace(LATER, most=self._most(WHOLE))
        return self._trained("Going on with the network", counted, plan, begun) or begun

    def _most(self, share: float) -> int:
        return int(60 * self.minutes * share * CHOSEN_A_SECOND)

    def _trained(self, what: str, counted: Counted, plan: Plan, begun: Learned | None) -> Learned | None:
        start, shown = self.clock(), -1

        def go_on(done: float) -> bool:
            nonlocal shown
            spent = self.clock() - start
            if self._spent + spent >= 60 * self.minutes:
                self.stopped = True
                return False
            if int(10 * done) > shown:
                shown = int(10 * done)
                left = f", about {spent / done * (1 - done):.0f} s left" if done else ""
                self.enter(f"{what}, {10 * shown} %{left}")
            return True

        network = train(counted, plan, begun, go_on)
        self._spent += self.clock() - start
        return network
