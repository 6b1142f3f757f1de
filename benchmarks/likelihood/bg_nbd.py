# SPDX-License-Identifier: Apache-2.0
"""BG/NBD: purchases of customers at a gamma-distributed rate, until a beta-distributed chance makes them leave.

Fader, Hardie and Lee, "Counting your customers" the easy way: an alternative to the Pareto/NBD model, Marketing Science
24(2), 2005: equations 6 (likelihood) and 10 (expected purchases). Times are in weeks.
"""

from dataclasses import dataclass

import numpy as np
from personalization.likelihood.histories import Floats
from scipy.optimize import minimize
from scipy.special import gammaln, hyp2f1

_PENALTY = 1e-4
"""Of the squared logarithms of the parameters, by customer: where customers hardly leave, two of them would grow
without end."""


@dataclass(frozen=True, slots=True)
class Buyers:
    """Of each customer, the repeated purchases, the time of the last one since the first, and the time until now."""

    repeats: Floats
    last: Floats
    age: Floats


@dataclass(frozen=True, slots=True)
class BgNbd:
    """The parameters: shape and scale of the rates, and those of the chance to leave after a purchase."""

    r: float
    alpha: float
    a: float
    b: float

    def alive(self, buyers: Buyers) -> Floats:
        """Return the probability that a customer has not left."""
        x = buyers.repeats
        odds = np.where(
            x > 0,
            self.a / (self.b + np.maximum(x, 1.0) - 1.0)
            * ((self.alpha + buyers.age) / (self.alpha + buyers.last)) ** (self.r + x),
            0.0,
        )  # fmt: skip
        return 1.0 / (1.0 + odds)

    def buys(self, buyers: Buyers, weeks: float) -> Floats:
        """Return the probability of a purchase within the next weeks: who has not left buys at a gamma rate."""
        none = ((self.alpha + buyers.age) / (self.alpha + buyers.age + weeks)) ** (self.r + buyers.repeats)
        return self.alive(buyers) * (1.0 - none)

    def purchases(self, buyers: Buyers, weeks: float) -> Floats:
        """Return the expected purchases within the next weeks."""
        x, later = buyers.repeats, self.alpha + buyers.age + weeks
        a = self.a if abs(self.a - 1.0) > 1e-6 else 1.0 + 1e-6
        none = ((self.alpha + buyers.age) / later) ** (self.r + x)
        none = none * hyp2f1(self.r + x, self.b + x, a + self.b + x - 1.0, weeks / later)
        expected: Floats = (a + self.b + x - 1.0) / (a - 1.0) * (1.0 - none) * self.alive(buyers)
        return expected


def fitted(buyers: Buyers) -> BgNbd:
    """Return the parameters of the highest likelihood."""
    x, last, age = buyers.repeats, buyers.last, buyers.age

    def loss(logs: Floats) -> float:
        r, alpha, a, b = np.exp(logs)
        rate = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
        leaving = gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
        stays = -(r + x) * np.log(alpha + age)
        left = np.log(a) - np.log(b + np.maximum(x, 1.0) - 1.0) - (r + x) * np.log(alpha + last)
        total = rate + leaving + np.where(x > 0, np.logaddexp(stays, left), stays)
        return float(-total.mean() + _PENALTY * (logs**2).sum())

    best = minimize(loss, np.zeros(4), method="Nelder-Mead", options={"maxiter": 4_000, "maxfev": 4_000})
    return BgNbd(*np.exp(best.x).tolist())
