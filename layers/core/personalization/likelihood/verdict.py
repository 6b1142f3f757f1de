# SPDX-License-Identifier: Apache-2.0
"""Whether a probability means what it says: yes, no or unknown, judged once, at one probability.

The question is asked at 5 %, or where too few pairs have about that, at the probability around which half of the
predicted purchases lie. The mean prediction of the pairs nearby is compared with the share that came true. One user's
purchases come together, in baskets, so chance is measured by a bootstrap that draws whole users (Davison and Hinkley,
Bootstrap Methods and their Application, 1997, section 3.8).
"""

import numpy as np
from table_intake.wording import Text

from personalization.likelihood.histories import Flags, Floats, Ints
from personalization.likelihood.model import Verdict
from personalization.reports.pages import significant

WITHIN = 1.25
"""The factor between predicted and observed that still counts as right, for known users."""
WITHIN_STRANGERS = 1.6
"""The factor for strangers: a week's total sales move all of them alike."""
REFERENCE = 0.05
"""The probability at which the question is asked, where the test has pairs near it."""
NEARBY = 1.5
"""The factor up to which a pair's probability is near another."""
LEAST = 50
"""Purchases near the probability, predicted or observed, that an answer needs."""
WIDEST = 2.0
"""The factor between the limits of chance beyond which a test says too little."""
DRAWS = 400
ENDS = (2.5, 97.5)
"""Percentiles between which chance is said to lie."""


def verdict(
    chance: Floats, label: Floats, weight: Floats, user: Ints, within: float = WITHIN, rows: str = "pairs"
) -> Verdict:
    """Judge the predictions of a test.

    The answer is `no` if the observed share differs from the prediction by more than the factor `within` and by more
    than chance, and `unknown` if chance may explain such a difference, or hides it.

    Args:
        chance, label, weight, user: of each tested pair, its prediction, whether it came true (0 or 1), the pairs that
            it represents, and the number of its user.
        rows: what the tested pairs are, where they are something else.
    """
    at = _asked_at(chance, label, weight)
    near = _near(chance, at)
    pairs, predicted, observed = _by_user(chance[near], label[near], weight[near], user[near])
    purchases = max(predicted.sum(), observed.sum())
    if purchases < LEAST:
        text = (
            "It cannot be said: the test has {purchases:,} {purchases:purchase|purchases} near {at}, and at least "
            "{least} are needed. Use the order, not the numbers."
        )
        few = Text("verdict.few", text, purchases=round(purchases), at=percent(at), least=LEAST)
        return Verdict(answer="unknown", text=few, at=at)
    said, came = float(predicted.sum() / pairs.sum()), float(observed.sum() / pairs.sum())
    # The predictions vary with the drawn users as well, so the draws are of the ratio.
    low, high = (said * float(end) for end in np.percentile(ratios(predicted, observed), ENDS))
    compared = "of the {rows} predicted at about {at} ({predicted} on average) {observed} came true"
    chances = "between {low} and {high} by chance"
    instead = "Use the order, not the numbers."
    shares = {"at": at, "predicted": said, "observed": came, "low": low, "high": high}
    figures: dict[str, str] = {name: percent(share) for name, share in shares.items()}
    figures["rows"] = Text(f"rows.{rows}", rows)
    is_off, is_chance = max(said, came) > within * min(said, came), low <= said <= high
    if is_off and not is_chance:
        return Verdict(
            answer="no",
            text=Text("verdict.no", f"No: {compared} ({chances}). {instead}", **figures),
            at=at,
            predicted=said,
            observed=came,
            low=low,
            high=high,
        )
    if is_off or high > WIDEST * low:
        text = f"It cannot be said: {compared}, but that would be {chances}. {instead}"
        unknown = Text("verdict.unknown", text, **figures)
        return Verdict(answer="unknown", text=unknown, at=at, predicted=said, observed=came, low=low, high=high)
    yes = Text("verdict.yes", f"Yes: {compared} ({chances}).", **figures)
    return Verdict(answer="yes", text=yes, at=at, predicted=said, observed=came, low=low, high=high)


def _asked_at(chance: Floats, label: Floats, weight: Floats) -> float:
    """Return the probability at which the question is asked."""
    near = _near(chance, REFERENCE)
    if not len(chance) or max((weight * chance)[near].sum(), (weight * label)[near].sum()) >= LEAST:
        return REFERENCE
    order = np.argsort(chance, kind="stable")
    predicted = np.cumsum((weight * chance)[order])
    return float(chance[order[np.searchsorted(predicted, predicted[-1] / 2)]])


def _near(chance: Floats, at: float) -> Flags:
    return (chance >= at / NEARBY) & (chance <= at * NEARBY)


def _by_user(chance: Floats, label: Floats, weight: Floats, user: Ints) -> tuple[Floats, Floats, Floats]:
    """Return the pairs, the predicted and the observed purchases of each user."""
    _, number = np.unique(user, return_inverse=True)
    pairs, predicted, observed = (
        np.bincount(number, values).astype(np.float64) for values in (weight, weight * chance, weight * label)
    )
    return pairs, predicted, observed


def ratios(predicted: Floats, observed: Floats) -> Floats:
    """Return observed to predicted purchases of DRAWS samples of as many users, with replacement."""
    random = np.random.default_rng(5)
    times = (random.multinomial(len(predicted), np.full(len(predicted), 1 / len(predicted))) for _ in range(DRAWS))
    sums = np.array([(drawn @ observed, drawn @ predicted) for drawn in times])
    drawn_ratios: Floats = sums[:, 0] / np.maximum(sums[:, 1], 1e-12)
    return drawn_ratios


def percent(share: float) -> Text:
    """Return a share in per cent with two significant digits, also where it is small."""
    return Text("share", "{number} %", number=significant(share).removesuffix("%"))
