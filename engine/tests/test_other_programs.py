# SPDX-License-Identifier: Apache-2.0
"""The calls of programs that were written against AWS, with their arguments, orders and expectations, in our words.

They come from aws-samples/retail-demo-store (src/aws-lambda/personalize-pre-create-resources), aws-samples/
amazon-personalize-samples, aws-solutions/maintaining-personalized-experiences-with-machine-learning (shared/
personalize_service.py), aws-samples/personalization-apis, LangChain's AmazonPersonalize and Amplify's provider.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from engine.tests.guide import CATEGORY, STRING
from engine.tests.harness import Argument, Aws, Engine, until
from engine.tests.names import RECIPE, ROLE, arn_member
from engine.tests.shop_data import interactions, schema, write_csv

SCHEMAS: Final[dict[str, dict[str, Argument]]] = {
    "Interactions": {
        "ITEM_ID": STRING,
        "USER_ID": STRING,
        "EVENT_TYPE": STRING,
        "TIMESTAMP": {"type": "long"},
        "DISCOUNT": CATEGORY,
    },
    "Items": {
        "ITEM_ID": STRING,
        "PRICE": {"type": "float"},
        "CATEGORY_L1": CATEGORY,
        "PRODUCT_DESCRIPTION": {"type": "string", "textual": True},
        "GENDER": CATEGORY,
        "PROMOTED": STRING,
    },
}
SEEN: Final = 'EXCLUDE ItemID WHERE INTERACTIONS.event_type IN ("Purchase")'
CHILLED: Final = '("cold dispensed", "hot dispensed", "salty snacks", "food service")'
STORE_FILTERS: Final = {
    "bought": SEEN,
    "counter": f"EXCLUDE ItemID WHERE ITEMS.CATEGORY_L1 NOT IN {CHILLED}",
    "no-counter": f"{SEEN} | EXCLUDE ItemID WHERE ITEMS.CATEGORY_L1 IN {CHILLED}",
    "categories": f"{SEEN} | INCLUDE ItemID WHERE ITEMS.CATEGORY_L1 IN ($CATEGORIES)",
    "promoted": f'{SEEN} | INCLUDE ItemID WHERE ITEMS.PROMOTED IN ("Y") AND ITEMS.CATEGORY_L1 NOT IN {CHILLED}',
}


class Store:
    """The retail demo store's group, made in its order: what exists already is found by its name first."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        control, bucket = aws.control, aws.engine.s3_root / aws.region
        self.group = aws.group("retaildemostore-products", domain="ECOMMERCE")
        _write(aws)
        for kind, columns in SCHEMAS.items():
            made = control.create_schema(name=kind, schema=schema(kind, columns), domain="ECOMMERCE")
            where: Any = {"datasetGroupArn": self.group, "datasetType": kind.upper()}
            dataset = control.create_dataset(name=kind, schemaArn=made["schemaArn"], **where)["datasetArn"]
            aws.imported(dataset, f"s3://{bucket.name}/{kind}.csv", kind)
        self.tracking = control.create_event_tracker(name="events", datasetGroupArn=self.group)["trackingId"]
        recipe = f"{RECIPE}aws-ecomm-popular-items-by-views"
        popular = control.create_recommender(name="popular", datasetGroupArn=self.group, recipeArn=recipe)
        self.popular = aws.settle("Recommender", popular["recommenderArn"])
        solution = aws.solution(self.group, "aws-similar-items", name="related", eventType="View")
        self.version = aws.version(solution)
        self.related = aws.campaign(self.version, "related")


def _write(aws: Aws) -> None:
    """Write files as pandas does that nobody told to leave its index out, with columns in another order."""
    folder = aws.engine.s3_root / aws.region
    rows = [(n, item, user, "View", time, "Yes") for n, (user, item, _, _, time, _) in enumerate(interactions())]
    write_csv(folder / "Interactions.csv", ["", "ITEM_ID", "USER_ID", "EVENT_TYPE", "TIMESTAMP", "DISCOUNT"], rows)
    kinds = ["cold dispensed", "books", "games", "books"]
    items = [(n, f"i{n}", n + 0.5, kinds[n % 4], "x", f"Item {n}, new", "F", "YN"[n % 2]) for n in range(40)]
    header = ["", "ITEM_ID", "PRICE", "CATEGORY_L1", "CATEGORY_L2", "PRODUCT_DESCRIPTION", "GENDER", "PROMOTED"]
    write_csv(folder / "Items.csv", header, items)


def recommended(store: Store, **question: Argument) -> list[str]:
    answer = store.aws.runtime.get_recommendations(recommenderArn=store.popular, userId="u1", **question)
    return [item["itemId"] for item in answer["itemList"]]


def filters_of_the_retail_demo_store(store: Store) -> None:
    made = {name: store.aws.filter(store.group, text, name) for name, text in STORE_FILTERS.items()}
    assert len(recommended(store, numResults=40, filterArn=made["bought"])) == 40
    assert {int(item[1:]) % 4 for item in recommended(store, numResults=40, filterArn=made["counter"])} == {0}
    assert {int(item[1:]) % 4 for item in recommended(store, numResults=40, filterArn=made["no-counter"])} == {1, 2, 3}
    chosen = {"filterArn": made["categories"], "filterValues": {"CATEGORIES": '"games"'}}
    assert {int(item[1:]) % 4 for item in recommended(store, numResults=40, **chosen)} == {2}
    assert {int(item[1:]) % 4 for item in recommended(store, numResults=40, filterArn=made["promoted"])} == {2}
    promotion: Any = {"name": "promoted", "percentPromotedItems": 25, "filterArn": made["promoted"]}
    shown = store.aws.runtime.get_recommendations(
        recommenderArn=store.popular, userId="u1", numResults=8, promotions=[promotion], context={"DISCOUNT": "Yes"}
    )["itemList"]
    assert [item.get("promotionName") for item in shown].count("promoted") == 2


def every_page_has_one_list_beside_its_token(store: Store) -> None:
    """maintaining-personalized-experiences takes the only key that is neither metadata nor token."""
    control = store.aws.control
    for name in ("list_dataset_groups", "list_schemas", "list_solutions", "list_campaigns", "list_event_trackers"):
        page: Any
        for page in control.get_paginator(name).paginate(PaginationConfig={"PageSize": 1}):
            (key,) = set(page) - {"ResponseMetadata", "nextToken"}
            assert len(page[key]) == 1


def what_was_given_is_described_as_it_was_given(store: Store) -> None:
    """maintaining-personalized-experiences updates a campaign as long as Describe shows another value than it wants."""
    wanted: Any = {"minProvisionedTPS": 2, "campaignConfig": {"enableMetadataWithRecommendations": True}}
    control, campaign = store.aws.control, store.related
    control.update_campaign(campaignArn=campaign, solutionVersionArn=store.version, **wanted)
    store.aws.settled_update("Campaign", campaign)
    described: Any = control.describe_campaign(campaignArn=campaign)["campaign"]
    assert {name: described[name] for name in wanted} == wanted
    versions = control.list_solution_versions(solutionArn=store.version.rpartition("/")[0])["solutionVersions"]
    assert {"solutionVersionArn", "status", "creationDateTime", "lastUpdatedDateTime"} <= set(versions[-1])


def configuration_is_read_off_the_account(store: Store) -> None:
    """personalization-apis asks for everything in the account, and takes recipe and group from the ARNs."""
    control = store.aws.control
    recommenders = control.list_recommenders()["recommenders"]
    assert [recommender["recipeArn"].rpartition("/")[2] for recommender in recommenders] == [
        "aws-ecomm-popular-items-by-views"
    ]
    assert recommenders[0]["datasetGroupArn"].split("/")[-1] == "retaildemostore-products"
    (campaign,) = control.list_campaigns()["campaigns"]
    version = control.describe_campaign(campaignArn=campaign["campaignArn"])["campaign"]["solutionVersionArn"]
    description = control.describe_solution_version(solutionVersionArn=version)["solutionVersion"]
    assert (description["datasetGroupArn"], description["recipeArn"]) == (store.group, f"{RECIPE}aws-similar-items")
    (tracker,) = control.list_event_trackers()["eventTrackers"]
    told = control.describe_event_tracker(eventTrackerArn=tracker["eventTrackerArn"])["eventTracker"]
    assert (told["trackingId"], told["datasetGroupArn"]) == (store.tracking, store.group)


def requests_with_more_than_a_recipe_needs(store: Store) -> None:
    """LangChain and notebooks send userId and itemId to every recipe, and numResults as the most they want."""
    request: Any = {"userId": "u1", "itemId": "i3", "numResults": 10, "context": {}, "filterValues": {}}
    assert len(store.aws.recommended(store.related, **request)) == 10
    answer = store.aws.runtime.get_recommendations(recommenderArn=store.popular, **request)
    assert len(answer["itemList"]) == 10


def events_of_older_clients(store: Store) -> None:
    """Amplify, Segment's destination and notebooks before 2020 have the item in `properties`."""
    events: Any = [
        {"properties": '{"itemId": "i1", "value": "12"}'},
        {"properties": '{"itemId": "i2", "eventValue": 4.5, "discount": "No"}'},
        {"itemId": "i3", "properties": '{"discount": "Yes"}', "eventId": "4f8a"},
        {"itemId": "i4", "properties": "{}"},
    ]
    common: Any = {"eventType": "Purchase", "sentAt": 1_700_000_000}
    sent: Any = [common | event for event in events]
    store.aws.events.put_events(trackingId=store.tracking, userId="old", sessionId="s", eventList=sent)
    bought = store.aws.filter(store.group, SEEN, "seen")
    answer = store.aws.runtime.get_recommendations(
        recommenderArn=store.popular, userId="old", numResults=40, filterArn=bought
    )
    assert len(answer["itemList"]) == 36


def metrics_of_the_impact_notebook(store: Store) -> None:
    """Measure_Impact_of_Recommendations: clicks counted, prices summed, published with an incremental import."""
    metrics: Any = [
        {"eventType": "View", "metricName": "countViews", "expression": "SAMPLECOUNT()"},
        {"eventType": "Purchase", "metricName": "sumPrice", "expression": "SUM(ITEMS.PRICE)"},
    ]
    output: Any = {"roleArn": ROLE, "s3DataDestination": {"path": f"s3://{store.aws.region}/metrics/"}}
    control = store.aws.control
    arn = control.create_metric_attribution(
        name="impact", datasetGroupArn=store.group, metrics=metrics, metricsOutputConfig=output
    )["metricAttributionArn"]
    store.aws.settle("MetricAttribution", arn)
    dataset = store.group.replace("dataset-group", "dataset") + "/INTERACTIONS"
    options = {"importMode": "INCREMENTAL", "publishAttributionMetricsToS3": True}
    store.aws.imported(dataset, f"s3://{store.aws.region}/Interactions.csv", "impact", **options)
    reports = store.aws.engine.s3_root / store.aws.region / "metrics"
    assert [file for file in reports.iterdir() if file.name.startswith("AggregatedAttributionMetrics")]
    control.delete_metric_attribution(metricAttributionArn=arn)
    store.aws.settle("MetricAttribution", arn, "")


def clean_up_in_the_order_of_the_samples(store: Store) -> None:
    """delete_dataset_groups.py: lists, deletes what has a status that allows it, and polls until it is not found."""
    control = store.aws.control
    for noun, arn in _in_order(store):
        which = {arn_member(noun): arn}
        getattr(control, f"delete_{xform_name(noun)}")(**which)
        describe = partial(getattr(control, f"describe_{xform_name(noun)}"), **which)
        until(lambda describe=describe: not_found(describe), f"end of {arn}")  # type: ignore[misc]
    assert control.list_dataset_groups()["datasetGroups"] == []
    assert control.list_schemas()["schemas"] == []


def not_found(describe: Callable[[], object]) -> bool:
    try:
        describe()
    except ClientError as error:
        return error.response["Error"]["Code"] == "ResourceNotFoundException"
    return False


def _in_order(store: Store) -> Iterator[tuple[str, str]]:
    control, group = store.aws.control, store.group
    yield from (
        ("Recommender", recommender["recommenderArn"]) for recommender in control.list_recommenders()["recommenders"]
    )
    for solution in control.list_solutions(datasetGroupArn=group)["solutions"]:
        campaigns = control.list_campaigns(solutionArn=solution["solutionArn"])["campaigns"]
        yield from (("Campaign", campaign["campaignArn"]) for campaign in campaigns)
    solutions = control.list_solutions(datasetGroupArn=group)["solutions"]
    yield from (("Solution", solution["solutionArn"]) for solution in solutions)
    trackers = control.list_event_trackers(datasetGroupArn=group)["eventTrackers"]
    yield from (("EventTracker", tracker["eventTrackerArn"]) for tracker in trackers)
    filters = control.list_filters(datasetGroupArn=group, maxResults=100)["Filters"]
    yield from (("Filter", filter_["filterArn"]) for filter_ in filters)
    schemas = []
    for dataset in control.list_datasets(datasetGroupArn=group)["datasets"]:
        schemas.append(control.describe_dataset(datasetArn=dataset["datasetArn"])["dataset"]["schemaArn"])
        yield "Dataset", dataset["datasetArn"]
    yield from (("Schema", schema) for schema in schemas)
    yield "DatasetGroup", group


PROGRAMS: Final[tuple[Callable[[Store], None], ...]] = (
    filters_of_the_retail_demo_store,
    every_page_has_one_list_beside_its_token,
    what_was_given_is_described_as_it_was_given,
    configuration_is_read_off_the_account,
    requests_with_more_than_a_recipe_needs,
    events_of_older_clients,
    metrics_of_the_impact_notebook,
    clean_up_in_the_order_of_the_samples,
)
"""In an order in which each finds what it needs, and the last one removes all."""


def test_programs_written_against_aws(engine: Engine, subtests: pytest.Subtests) -> None:
    store = Store(Aws(engine, "retail-demo-store"))
    for program in PROGRAMS:
        with subtests.test(program.__name__):
            program(store)
