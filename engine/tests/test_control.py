# SPDX-License-Identifier: Apache-2.0
"""Dataset groups, schemas, datasets, event trackers, filters, recipes, tags and lists."""

import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

from engine.tests.harness import Aws
from engine.tests.names import RECIPE, ROLE
from engine.tests.shop_data import avro

NULLABLE = {"name": "COLOUR", "type": ["null", "string"], "categorical": True}
KEY = "arn:aws:kms:us-east-1:123456789012:key/1"


def code(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return str(caught.value.response["Error"]["Code"])


def test_dataset_group_is_described_as_made(aws: Aws) -> None:
    made = aws.control.create_dataset_group(name="shop", domain="ECOMMERCE", roleArn=ROLE, kmsKeyArn=KEY)
    group = aws.settle("DatasetGroup", made["datasetGroupArn"])
    resource = aws.control.describe_dataset_group(datasetGroupArn=group)["datasetGroup"]
    assert group == f"arn:aws:personalize:{aws.region}:123456789012:dataset-group/shop"
    assert (made["domain"], resource["domain"], resource["kmsKeyArn"]) == ("ECOMMERCE", "ECOMMERCE", KEY)
    assert resource["lastUpdatedDateTime"] >= resource["creationDateTime"]


def test_kms_key_needs_a_role(aws: Aws) -> None:
    with pytest.raises(aws.control.exceptions.InvalidInputException, match="roleArn"):
        aws.control.create_dataset_group(name="shop", kmsKeyArn=KEY)


def test_names_are_unique_within_kind_account_and_region(aws: Aws) -> None:
    group = aws.group("shop")
    with pytest.raises(aws.control.exceptions.ResourceAlreadyExistsException, match=f"Arn {group} already exists"):
        aws.control.create_dataset_group(name="shop")
    assert Aws(aws.engine, f"{aws.region}-b").group("shop") != group


def test_sixth_dataset_group_of_a_region_is_over_quota(aws: Aws) -> None:
    for number in range(5):
        aws.control.create_dataset_group(name=f"shop{number}")
    with pytest.raises(aws.control.exceptions.LimitExceededException, match="More than 5 dataset groups"):
        aws.control.create_dataset_group(name="shop5")


def test_schema_is_described_as_made_and_cannot_be_made_twice(aws: Aws) -> None:
    arn = aws.schema("Items", "things")
    assert aws.control.describe_schema(schemaArn=arn)["schema"]["schema"] == avro("Items")
    with pytest.raises(aws.control.exceptions.ResourceAlreadyExistsException):
        aws.schema("Items", "things")


def test_schema_that_breaks_avro_rules_is_refused(aws: Aws) -> None:
    with pytest.raises(aws.control.exceptions.InvalidInputException):
        aws.control.create_schema(name="bad", schema='{"type":"record","name":"Interactions","fields":[]}')


def test_schema_in_use_cannot_be_deleted(aws: Aws) -> None:
    dataset = aws.dataset(aws.group(), "Items")
    schema = aws.control.describe_dataset(datasetArn=dataset)["dataset"]["schemaArn"]
    with pytest.raises(aws.control.exceptions.ResourceInUseException, match=re.escape(dataset)):
        aws.control.delete_schema(schemaArn=schema)
    aws.control.delete_dataset(datasetArn=dataset)
    aws.settle("Dataset", dataset, "")
    aws.control.delete_schema(schemaArn=schema)
    assert aws.control.list_schemas()["schemas"] == []


def test_dataset_arn_is_group_and_upper_case_type(aws: Aws) -> None:
    dataset = aws.dataset(aws.group("shop"), "Users")
    description = aws.control.describe_dataset(datasetArn=dataset)["dataset"]
    assert dataset.endswith(":dataset/shop/USERS")
    assert (description["datasetType"], description["name"], description["status"]) == ("USERS", "shop-users", "ACTIVE")


def test_second_dataset_of_a_type_is_refused(aws: Aws) -> None:
    group = aws.group()
    aws.dataset(group, "Items")
    arguments: Any = {"schemaArn": aws.schema("Items", "more"), "datasetGroupArn": group, "datasetType": "items"}
    with pytest.raises(aws.control.exceptions.ResourceAlreadyExistsException):
        aws.control.create_dataset(name="other", **arguments)


@pytest.mark.parametrize(
    ("kind", "schema", "domain", "reason"),
    [
        ("Things", "Items", None, "datasetType"),
        ("Users", "Items", None, "is for ITEMS, not for USERS"),
        ("Items", "Items", "ECOMMERCE", "must agree"),
    ],
)
def test_dataset_and_schema_must_fit(aws: Aws, kind: str, schema: str, domain: str | None, reason: str) -> None:
    options = {"domain": domain} if domain else {}
    arguments: Any = {"schemaArn": aws.schema(schema, **options), "datasetGroupArn": aws.group()}
    with pytest.raises(aws.control.exceptions.InvalidInputException, match=reason):
        aws.control.create_dataset(name="x", datasetType=kind, **arguments)


def test_dataset_takes_a_schema_with_more_nullable_columns(aws: Aws) -> None:
    dataset = aws.dataset(aws.group(), "Items")
    wider = aws.control.create_schema(name="wider", schema=avro("Items", NULLABLE))["schemaArn"]
    aws.control.update_dataset(datasetArn=dataset, schemaArn=wider)
    aws.settle("Dataset", dataset)
    description = aws.control.describe_dataset(datasetArn=dataset)["dataset"]
    assert (description["schemaArn"], description["latestDatasetUpdate"]["status"]) == (wider, "ACTIVE")


def test_dataset_refuses_a_schema_that_drops_a_column(aws: Aws) -> None:
    dataset = aws.dataset(aws.group(), "Items")
    text = avro("Items").replace("PRICE", "COST")
    other = aws.control.create_schema(name="other", schema=text)["schemaArn"]
    with pytest.raises(aws.control.exceptions.InvalidInputException, match="PRICE"):
        aws.control.update_dataset(datasetArn=dataset, schemaArn=other)


def test_dataset_group_with_members_cannot_be_deleted(aws: Aws) -> None:
    group = aws.group()
    dataset = aws.dataset(group, "Users")
    with pytest.raises(aws.control.exceptions.ResourceInUseException, match=re.escape(dataset)):
        aws.control.delete_dataset_group(datasetGroupArn=group)
    aws.control.delete_dataset(datasetArn=dataset)
    aws.settle("Dataset", dataset, "")
    aws.control.delete_dataset_group(datasetGroupArn=group)
    aws.settle("DatasetGroup", group, "")


def test_event_tracker_is_one_per_group_with_a_made_up_id(aws: Aws) -> None:
    group = aws.group()
    made = aws.control.create_event_tracker(name="events", datasetGroupArn=group)
    tracker = aws.settle("EventTracker", made["eventTrackerArn"])
    description = aws.control.describe_event_tracker(eventTrackerArn=tracker)["eventTracker"]
    assert re.fullmatch(r".*:event-tracker/[0-9a-f]{8}", tracker)
    assert (description["trackingId"], description["accountId"]) == (made["trackingId"], "123456789012")
    with pytest.raises(aws.control.exceptions.ResourceAlreadyExistsException):
        aws.control.create_event_tracker(name="more", datasetGroupArn=group)


def test_filter_is_checked_when_it_is_made(aws: Aws) -> None:
    group = aws.group()
    aws.dataset(group, "Items")
    filter_arn = aws.filter(group, 'INCLUDE ItemID WHERE Items.CATEGORY_L1 IN ("books")')
    filters = aws.control.list_filters(datasetGroupArn=group)["Filters"]
    assert [filter_["filterArn"] for filter_ in filters] == [filter_arn]
    for wrong in ("INCLUDE", 'INCLUDE ItemID WHERE Items.NOTHING IN ("x")'):
        with pytest.raises(aws.control.exceptions.InvalidInputException):
            aws.control.create_filter(name="wrong", datasetGroupArn=group, filterExpression=wrong)


def test_distinct_columns_of_filters_are_limited(aws: Aws) -> None:
    group = aws.group()
    columns = [{"name": f"C{number}", "type": ["null", "float"]} for number in range(21)]
    schema = aws.control.create_schema(name="wide", schema=avro("Items", *columns))["schemaArn"]
    made = aws.control.create_dataset(name="x", schemaArn=schema, datasetGroupArn=group, datasetType="Items")
    aws.settle("Dataset", made["datasetArn"])

    def over(first: int, last: int) -> str:
        return "INCLUDE ItemID WHERE " + " AND ".join(f"Items.C{number} > 0" for number in range(first, last))

    aws.filter(group, over(0, 10), "a")
    aws.filter(group, over(10, 20), "b")
    aws.filter(group, over(15, 20).lower().replace("itemid", "ItemID"), "c")
    with pytest.raises(aws.control.exceptions.LimitExceededException, match="at most 20"):
        aws.filter(group, over(15, 21), "d")


def test_filters_are_deleted(aws: Aws) -> None:
    group = aws.group()
    aws.dataset(group, "Items")
    filter_arn = aws.filter(group, "INCLUDE ItemID WHERE Items.PRICE > 5")
    aws.control.delete_filter(filterArn=filter_arn)
    aws.settle("Filter", filter_arn, "")


def test_recipes_are_listed_by_domain_and_described(aws: Aws) -> None:
    everything = [recipe["name"] for recipe in aws.control.list_recipes()["recipes"]]
    shops = aws.control.list_recipes(domain="ECOMMERCE")["recipes"]
    recipe = aws.control.describe_recipe(recipeArn=RECIPE + "aws-similar-items")["recipe"]
    assert everything == sorted(everything)
    assert {shop["domain"] for shop in shops} == {"ECOMMERCE"}
    assert (recipe["recipeType"], recipe["status"]) == ("RELATED_ITEMS", "ACTIVE")


def test_algorithm_and_feature_transformation_tell_their_defaults(aws: Aws) -> None:
    recipe = aws.control.describe_recipe(recipeArn=RECIPE + "aws-sims")["recipe"]
    algorithm = aws.control.describe_algorithm(algorithmArn=recipe["algorithmArn"])["algorithm"]
    transformation = aws.control.describe_feature_transformation(
        featureTransformationArn=recipe["featureTransformationArn"]
    )["featureTransformation"]
    assert algorithm["defaultHyperParameters"]["popularity_discount_factor"] == "0.5"
    assert algorithm["defaultHyperParameterRanges"]["integerHyperParameterRanges"][0]["maxValue"] == 10
    assert "max_user_history_length_percentile" in transformation["defaultParameters"]


@pytest.mark.parametrize(
    ("operation", "member", "word"),
    [
        ("describe_recipe", "recipeArn", "recipe"),
        ("describe_algorithm", "algorithmArn", "algorithm"),
        ("describe_feature_transformation", "featureTransformationArn", "feature-transformation"),
        ("describe_dataset_group", "datasetGroupArn", "dataset-group"),
        ("describe_campaign", "campaignArn", "campaign"),
        ("delete_solution", "solutionArn", "solution"),
        ("delete_filter", "filterArn", "filter"),
        ("get_solution_metrics", "solutionVersionArn", "solution"),
        ("stop_solution_version_creation", "solutionVersionArn", "solution"),
        ("list_tags_for_resource", "resourceArn", "campaign"),
        ("list_solution_versions", "solutionArn", "solution"),
    ],
)
def test_unknown_arn_is_not_found(aws: Aws, operation: str, member: str, word: str) -> None:
    arn = f"arn:aws:personalize:{aws.region}:123456789012:{word}/none"
    with pytest.raises(aws.control.exceptions.ResourceNotFoundException, match=f"Resource Arn {arn} does not exist"):
        getattr(aws.control, operation)(**{member: arn})


def test_tags_are_put_replaced_and_taken_off(aws: Aws) -> None:
    group = aws.group(tags=[{"tagKey": "team", "tagValue": "a"}])
    aws.control.tag_resource(
        resourceArn=group, tags=[{"tagKey": "team", "tagValue": "b"}, {"tagKey": "x", "tagValue": ""}]
    )
    tags = aws.control.list_tags_for_resource(resourceArn=group)["tags"]
    assert tags == [{"tagKey": "team", "tagValue": "b"}, {"tagKey": "x", "tagValue": ""}]
    aws.control.untag_resource(resourceArn=group, tagKeys=["team", "unknown"])
    assert aws.control.list_tags_for_resource(resourceArn=group)["tags"] == [{"tagKey": "x", "tagValue": ""}]


def test_tag_rules(aws: Aws) -> None:
    group, schema = aws.group(), aws.schema("Items")
    tags: Any = [{"tagKey": f"k{n}", "tagValue": "v"} for n in range(51)]
    with pytest.raises(aws.control.exceptions.TooManyTagsException):
        aws.control.tag_resource(resourceArn=group, tags=tags)
    with pytest.raises(aws.control.exceptions.InvalidInputException, match="reserved"):
        aws.control.tag_resource(resourceArn=group, tags=[{"tagKey": "aws:x", "tagValue": ""}])
    with pytest.raises(aws.control.exceptions.TooManyTagKeysException):
        aws.control.untag_resource(resourceArn=group, tagKeys=[f"k{n}" for n in range(51)])
    with pytest.raises(aws.control.exceptions.InvalidInputException, match="cannot have tags"):
        aws.control.list_tags_for_resource(resourceArn=schema)


def test_pages_join_to_the_whole_list(aws: Aws) -> None:
    names = [f"schema{number}" for number in range(7)]
    for name in names:
        aws.schema("Items", name)
    pages = aws.control.get_paginator("list_schemas").paginate(PaginationConfig={"PageSize": 3})
    sizes = [[schema["name"] for schema in page["schemas"]] for page in pages]
    assert sizes == [names[:3], names[3:6], names[6:]]


def test_last_full_page_has_no_token(aws: Aws) -> None:
    aws.schema("Items", "only")
    assert "nextToken" not in aws.control.list_schemas(maxResults=1)


@pytest.mark.parametrize("token", ["x", "AYAD", "MTIz", "0" * 60])
def test_token_of_nobody_is_refused(aws: Aws, token: str) -> None:
    with pytest.raises(aws.control.exceptions.InvalidNextTokenException):
        aws.control.list_schemas(nextToken=token)


def test_token_of_another_list_is_refused(aws: Aws) -> None:
    aws.schema("Items", "one")
    aws.schema("Items", "two")
    token = aws.control.list_schemas(maxResults=1)["nextToken"]
    with pytest.raises(aws.control.exceptions.InvalidNextTokenException):
        aws.control.list_dataset_groups(nextToken=token)
