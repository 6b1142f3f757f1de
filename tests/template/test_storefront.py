# SPDX-License-Identifier: Apache-2.0
"""The storefront: off unless it is asked for, and then a private bucket behind CloudFront, with the API beside it."""

import json
import re
from typing import Any

import pytest

from local.storefront.catalogue import Shop
from local.web.server import HEADERS
from tests.template.stack import STACK, compiled

DISTRIBUTION: dict[str, Any] = STACK.of("CloudFront::Distribution")["StorefrontDistribution"]["DistributionConfig"]
PAGES: dict[str, Any] = DISTRIBUTION["DefaultCacheBehavior"]
(API,) = DISTRIBUTION["CacheBehaviors"]
ORIGINS = {origin["Id"]: origin for origin in DISTRIBUTION["Origins"]}
(POLICY,) = STACK.of("CloudFront::ResponseHeadersPolicy").values()
SENT = POLICY["ResponseHeadersPolicyConfig"]
CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
ALL_BUT_THE_HOST = "b689b0a8-53d0-40ab-baf2-38738e2966ac"


@pytest.mark.parametrize("parameters", [{"Storefront": "false"}, {"Browsers": "false"}], ids=["off", "no API"])
def test_nothing_of_it_is_made_unless_it_is_asked_for(parameters: dict[str, str]) -> None:
    without = compiled(parameters)
    assert not {name for name in without.resources if "Storefront" in name}
    assert list(without.of("S3::Bucket")) == ["DropBucket"]


def test_it_is_off_by_default_and_needs_the_api_of_browsers() -> None:
    assert STACK.source["Parameters"]["Storefront"]["Default"] == "false"
    rule = STACK.source["Rules"]["AStorefrontNeedsItsApi"]
    assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "Storefront"}, "true"]}
    assert rule["Assertions"][0]["Assert"] == {"Fn::Equals": [{"Ref": "Browsers"}, "true"]}


def test_its_bucket_is_read_by_the_distribution_alone() -> None:
    bucket = STACK.of("S3::Bucket")["StorefrontBucket"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert "WebsiteConfiguration" not in bucket
    statements = STACK.of("S3::BucketPolicy")["StorefrontBucketPolicy"]["PolicyDocument"]["Statement"]
    (allowed,) = (statement for statement in statements if statement["Effect"] == "Allow")
    assert (allowed["Principal"], allowed["Action"]) == ({"Service": "cloudfront.amazonaws.com"}, "s3:GetObject")
    arn = "arn:aws:cloudfront::123456789012:distribution/StorefrontDistribution"
    assert allowed["Condition"] == {"StringEquals": {"aws:SourceArn": arn}}
    assert ORIGINS["pages"]["OriginAccessControlId"] == "StorefrontAccess.Id"
    (access,) = STACK.of("CloudFront::OriginAccessControl").values()
    assert access["OriginAccessControlConfig"]["SigningBehavior"] == "always"


def test_everything_is_asked_for_over_https() -> None:
    assert (PAGES["ViewerProtocolPolicy"], API["ViewerProtocolPolicy"]) == ("redirect-to-https", "https-only")
    assert ORIGINS["api"]["CustomOriginConfig"] == {
        "OriginProtocolPolicy": "https-only", "OriginSSLProtocols": ["TLSv1.2"]
    }  # fmt: skip
    assert SENT["SecurityHeadersConfig"]["StrictTransportSecurity"]["AccessControlMaxAgeSec"] >= 31_536_000


def test_pages_are_kept_as_they_say_and_answers_never() -> None:
    assert (PAGES["CachePolicyId"], API["CachePolicyId"]) == (CACHING_OPTIMIZED, CACHING_DISABLED)
    assert (PAGES["TargetOriginId"], PAGES["AllowedMethods"]) == ("pages", ["GET", "HEAD"])
    assert "OriginRequestPolicyId" not in PAGES


def test_the_api_gets_the_token_and_its_own_name() -> None:
    assert API["OriginRequestPolicyId"] == ALL_BUT_THE_HOST
    assert (API["PathPattern"], API["TargetOriginId"]) == ("/shops/*", "api")
    assert ORIGINS["api"]["DomainName"] == "BrowserApi.execute-api.us-east-1.amazonaws.com"
    assert ORIGINS["api"]["OriginPath"] == "/v1"
    paths = STACK.of("ApiGateway::RestApi")["BrowserApi"]["Body"]["paths"]
    assert all(path.startswith("/shops/") for path in paths)


def test_a_refusal_of_the_api_reaches_the_page_as_it_is() -> None:
    # Error pages of a distribution would stand before those of the API as well.
    assert {name for response in DISTRIBUTION["CustomErrorResponses"] for name in response} == {
        "ErrorCode", "ErrorCachingMinTTL"
    }  # fmt: skip


def test_no_edge_keeps_an_error() -> None:
    # Unless a distribution says otherwise, CloudFront keeps an error for ten seconds, no-store or not.
    times_to_live = {
        response["ErrorCode"]: response["ErrorCachingMinTTL"] for response in DISTRIBUTION["CustomErrorResponses"]
    }
    assert times_to_live == dict.fromkeys((400, 403, 404, 405, 414, 500, 501, 502, 503, 504), 0)


def test_it_sends_the_headers_that_the_laptop_sends() -> None:
    told = SENT["SecurityHeadersConfig"]
    # Hosts of pictures are a shop's own: its page names them, below what is allowed to all shops.
    policy = Shop(name="green", origins=("https:",)).content_security
    assert told["ContentSecurityPolicy"]["ContentSecurityPolicy"] == policy
    assert told["ReferrerPolicy"]["ReferrerPolicy"] == HEADERS["Referrer-Policy"]
    assert told["FrameOptions"]["FrameOption"] == "DENY"
    assert all(header["Override"] for header in told.values())
    for item in SENT["CustomHeadersConfig"]["Items"]:
        assert HEADERS[item["Header"]] == item["Value"]
    assert {PAGES["ResponseHeadersPolicyId"], API["ResponseHeadersPolicyId"]} == {"StorefrontHeaders"}


def test_two_regions_may_have_a_stack_of_the_same_name() -> None:
    names = {
        STACK.of("CloudFront::OriginAccessControl")["StorefrontAccess"]["OriginAccessControlConfig"]["Name"],
        SENT["Name"],
    }
    assert names == {"retail-shop-51af3dc0"}


def test_what_is_not_asked_for_is_not_there() -> None:
    names = ("StorefrontDomain", "StorefrontWebAclArn", "StorefrontLogBucket")
    without = compiled(dict.fromkeys(names, "") | {"StorefrontCertificate": "none"})
    plain = without.of("CloudFront::Distribution")["StorefrontDistribution"]["DistributionConfig"]
    assert set(DISTRIBUTION) - set(plain) == {"Aliases", "Logging", "WebACLId"}
    assert plain["ViewerCertificate"]["CloudFrontDefaultCertificate"] is True
    assert without.outputs["StorefrontUrl"]["Value"] == "https://StorefrontDistribution.DomainName/"


def test_a_name_a_web_acl_and_a_log_may_be_given() -> None:
    given = {
        "StorefrontDomain": "shop.example.com",
        "StorefrontCertificate": "12345678-90ab-cdef-1234-567890abcdef",
        "StorefrontWebAclArn": "arn:aws:wafv2:us-east-1:123456789012:global/webacl/shop/1",
        "StorefrontLogBucket": "logs.s3.us-east-1.amazonaws.com",
    }
    for name, value in given.items():
        assert re.search(STACK.source["Parameters"][name]["AllowedPattern"], value), name
    made = compiled(given)
    told = made.of("CloudFront::Distribution")["StorefrontDistribution"]["DistributionConfig"]
    assert told["Aliases"] == ["shop.example.com"]
    assert told["ViewerCertificate"] == {
        "AcmCertificateArn": f"arn:aws:acm:us-east-1:123456789012:certificate/{given['StorefrontCertificate']}",
        "MinimumProtocolVersion": "TLSv1.2_2021",
        "SslSupportMethod": "sni-only",
    }
    assert told["WebACLId"] == given["StorefrontWebAclArn"]
    assert told["Logging"] == {"Bucket": given["StorefrontLogBucket"], "IncludeCookies": False}
    assert made.outputs["StorefrontUrl"]["Value"] == "https://shop.example.com/"


def test_no_price_class_is_more_than_was_asked_for() -> None:
    assert DISTRIBUTION["PriceClass"] == "PriceClass_100"
    assert "AWS::CloudFront::Function" not in json.dumps(STACK.source["Resources"])
