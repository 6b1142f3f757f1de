# SPDX-License-Identifier: Apache-2.0
"""With the decorator beside moto's: one test has S3 and Personalize."""

import boto3
import pytest
from moto import mock_aws
from personalize_local.testing import mock_personalize
from shop.retrain import NotReady, retrain
from small_shop import ROLE, Shop, open_shop, sales


@mock_aws
@mock_personalize(region="eu-central-1")
class TestNightlyJob:
    def setup_method(self) -> None:
        self.s3 = boto3.client("s3")
        self.s3.create_bucket(Bucket="sales", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        self.s3.put_object(Bucket="sales", Key="first.csv", Body=sales())
        self.shop: Shop = open_shop("s3://sales/first.csv")

    def retrain(self, key: str) -> str:
        return retrain(self.shop.dataset, self.shop.solution, self.shop.campaign, f"s3://sales/{key}", ROLE)

    def test_the_campaign_serves_what_was_trained(self) -> None:
        self.s3.put_object(Bucket="sales", Key="today.csv", Body=sales())
        version = self.retrain("today.csv")
        shown = boto3.client("personalize").describe_campaign(campaignArn=self.shop.campaign)["campaign"]
        assert shown["solutionVersionArn"] == version

    def test_a_bad_file_stops_the_job_with_its_reason(self) -> None:
        self.s3.put_object(Bucket="sales", Key="today.csv", Body="USER_ID,ITEM_ID\nu1,book-1")
        with pytest.raises(NotReady, match="missing the following columns"):
            self.retrain("today.csv")
