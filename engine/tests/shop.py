# SPDX-License-Identifier: Apache-2.0
"""A shop that went through the whole job, to ask about."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.tests.harness import Argument, Aws
from engine.tests.shop_data import write_shop


@dataclass(frozen=True)
class Shop:
    """A dataset group with everything imported; versions and campaigns by recipe."""

    aws: Aws
    group: str
    tracking_id: str
    versions: Mapping[str, str]
    campaigns: Mapping[str, str]

    @property
    def personal(self) -> str:
        return self.campaigns["aws-user-personalization"]

    def click(self, item: str | None, **event: Argument) -> None:
        """One event in this shop."""
        self.aws.click(self.tracking_id, item, **event)


def open_shop(aws: Aws, recipes: Iterable[str], name: str = "shop") -> Shop:
    """Take a shop through the whole job."""
    write_shop(aws.engine.s3_root / "bucket")
    group = aws.group(name)
    for kind in ("Interactions", "Items", "Users"):
        dataset = aws.dataset(group, kind)
        aws.imported(dataset, f"s3://bucket/{kind.lower()}.csv", f"{name}-{kind.lower()}")
    tracking_id = aws.tracker(group)
    made = {
        recipe: aws.solution(group, recipe, name=f"{name}-{recipe}", performAutoTraining=False) for recipe in recipes
    }
    versions = {recipe: aws.version(solution) for recipe, solution in made.items()}
    config = {"campaignConfig": {"enableMetadataWithRecommendations": True}}
    campaigns = {recipe: aws.campaign(arn, f"{name}-{recipe}", **config) for recipe, arn in versions.items()}
    return Shop(aws, group, tracking_id, versions, campaigns)
