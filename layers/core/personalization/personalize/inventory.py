# SPDX-License-Identifier: Apache-2.0
"""List and delete a shop's resources in Personalize.

A shop's resources are those that its dataset group owns, by the group's ARN. Names alone are ambiguous, because those
of the shop `a-b` begin with the name of the shop `a`.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from personalization.core.aws.errors import false_on, none_if_missing, translate_errors
from personalization.core.aws.pagination import paginate
from personalization.personalize.removal import BILLS, Found, Kind, Left, Schemas, ordered, stage, to_delete

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient


def inventory(client: "PersonalizeClient", *groups: str) -> tuple[Found, ...]:
    """Return what dataset groups (ARNs) own, themselves included, in the order of deletion; nothing without a group."""
    return ordered(piece for group in groups for piece in _owned(client, group))


def _owned(client: "PersonalizeClient", group: str) -> tuple[Found, ...]:
    with translate_errors(group):
        described = none_if_missing(lambda: client.describe_dataset_group(datasetGroupArn=group)["datasetGroup"])
        return (_piece("datasetGroup", described), *_members(client, group)) if described else ()


def _members(client: "PersonalizeClient", group: str) -> Iterator[Found]:
    for solution in paginate(client.list_solutions, "solutions", datasetGroupArn=group):
        yield _piece("solution", solution)
        campaigns = paginate(client.list_campaigns, "campaigns", solutionArn=solution["solutionArn"])
        yield from (_piece("campaign", each) for each in campaigns)
    lists: tuple[tuple[Kind, Callable[..., Any], str], ...] = (
        ("recommender", client.list_recommenders, "recommenders"),
        ("filter", client.list_filters, "Filters"),
        ("eventTracker", client.list_event_trackers, "eventTrackers"),
        ("metricAttribution", client.list_metric_attributions, "metricAttributions"),
        ("dataset", client.list_datasets, "datasets"),
    )
    for kind, ask, member in lists:
        yield from (_piece(kind, each) for each in paginate(ask, member, datasetGroupArn=group))


def _piece(kind: Kind, each: Mapping[str, Any]) -> Found:
    return Found(kind=kind, name=each["name"], arn=each[f"{kind}Arn"], status=each["status"], bills=BILLS[kind])


def schemas_of(client: "PersonalizeClient", pieces: tuple[Found, ...]) -> tuple[str, ...]:
    """Return the ARNs of the schemas of the datasets among `pieces`."""
    arns: list[str] = []
    for dataset in pieces:
        if dataset.kind == "dataset":
            with translate_errors(dataset.arn):
                described = none_if_missing(partial(client.describe_dataset, datasetArn=dataset.arn))
            arns += [described["dataset"]["schemaArn"]] if described else []
    return tuple(dict.fromkeys(arns))


def remove(client: "PersonalizeClient", *groups: str) -> Left:
    """Delete resources that nothing depends on any more; resources in progress are left to the next call."""
    pieces = inventory(client, *groups)
    for piece in to_delete(pieces):
        _delete(client, piece)
    return Left(left=len(pieces), waiting_for=tuple(piece.name for piece in stage(pieces)))


def _delete(client: "PersonalizeClient", piece: Found) -> None:
    arn = piece.arn
    deletes: Mapping[Kind, Callable[[], object]] = {
        "recommender": lambda: client.delete_recommender(recommenderArn=arn),
        "campaign": lambda: client.delete_campaign(campaignArn=arn),
        "filter": lambda: client.delete_filter(filterArn=arn),
        "solution": lambda: client.delete_solution(solutionArn=arn),
        "metricAttribution": lambda: client.delete_metric_attribution(metricAttributionArn=arn),
        "eventTracker": lambda: client.delete_event_tracker(eventTrackerArn=arn),
        "dataset": lambda: client.delete_dataset(datasetArn=arn),
        "datasetGroup": lambda: client.delete_dataset_group(datasetGroupArn=arn),
    }
    with translate_errors(arn):
        gone_or_busy(deletes[piece.kind])


def gone_or_busy(delete: Callable[[], object]) -> bool:
    """Delete; return False if Personalize says that the resource is in use. A missing one counts as deleted."""
    return false_on("ResourceInUseException", lambda: none_if_missing(delete))


def remove_schemas(client: "PersonalizeClient", arns: tuple[str, ...]) -> Schemas:
    """Delete schemas without a dataset of any shop: Personalize refuses the others."""
    removed: list[str] = []
    kept: list[str] = []
    for arn in arns:
        with translate_errors(arn):
            gone = gone_or_busy(partial(client.delete_schema, schemaArn=arn))
        (removed if gone else kept).append(arn)
    return Schemas(removed=tuple(removed), kept=tuple(kept))
