# SPDX-License-Identifier: Apache-2.0
"""Runs that an operator starts: what a request needs is checked first, by the command line and the watch page alike."""

from collections.abc import Sequence

from personalization.runs import batches
from personalization.runs.claims import Claim
from table_intake.wording import Text

from local.cloud.client import Client
from local.cloud.environments import LocalError
from local.cloud.runs import Run


def retrain(cloud: Client, shop: str, recipes: Sequence[str] = (), *, update: bool = False, name: str = "") -> Run:
    """Start a training of a shop's recipes on the data that it has; during a run, the next one does it.

    Args:
        cloud, shop: where.
        recipes: the recipes to train; all without any.
        update: only take in what is new.
        name: the execution's name; the same request with the same name starts nothing more.
    """
    _claims(cloud, shop)
    more = {"trainingMode": "UPDATE"} if update else {}
    return cloud.runs.start(shop, "retrain", name, recipes=list(recipes), **more)


def resume(cloud: Client, shop: str, run: str = "", *, name: str = "") -> Run:
    """Start a run for the drops that wait, and those of a failed run; by default of the newest one."""
    claims = _claims(cloud, shop)
    failed = dict.fromkeys(claim.run for claim in sorted(batches.to_continue(claims), key=_taken_at, reverse=True))
    if run and run not in failed:
        others = f"; failed: {', '.join(failed)}" if failed else ""
        raise LocalError(f"run {run} of {shop} has no drops to continue{others}")
    again = run or next(iter(failed), "")
    if not again and not any(map(batches.is_waiting, claims)):
        text = "{shop} has nothing to continue: none of its drops failed, and none waits for a run"
        raise LocalError(Text("by-hand.nothing", text, shop=shop))
    return cloud.runs.start(shop, "continue", name, **({"run": again} if again else {}))


def roll_back(cloud: Client, shop: str, *, name: str = "") -> Run:
    """Start a run that returns the campaigns to the release before."""
    return cloud.runs.start(shop, "rollback", name)


def _claims(cloud: Client, shop: str) -> list[Claim]:
    """Return the claims of a shop.

    Raises:
        LocalError: nothing of such a shop was ever dropped.
    """
    claims = [Claim.read(record) for record in cloud.runs.claims(shop)]
    if not claims and not cloud.runs.lease(shop) and shop not in (shops := [entry["shop"] for entry in cloud.shops()]):
        others = f"; there are: {', '.join(shops)}" if shops else ""
        raise LocalError(
            f"there is no shop {shop}{others}. Drop its files first: python -m local drop {shop} interactions FILE"
        )
    return claims


def _taken_at(claim: Claim) -> str:
    return max(claim.taken_at, default="")
