# SPDX-License-Identifier: Apache-2.0
"""What the machine and the function that fits say to each other."""

from typing import Literal

from personalization.shop.plan import Part


class FitRequest(Part):
    """A shop's likelihood is to be fitted after a promotion."""

    step: Literal["fit"]
    shop: str
    run: str


class Fitted(Part):
    """What came of it."""

    outcome: Literal["fitted", "refused", "leftOut", "off"]
    reason: str = ""
    report: str = ""
    """The key of the page about it."""
    method: Literal["counts", "anchored", ""] = ""
