# SPDX-License-Identifier: Apache-2.0
"""Describe and list the engine's resources."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from personalization.engine.backend import Account, Operation, Refused
from personalization.engine.records import Members, Records, shown

ANSWERED = "answeredBytes"
"""The member of a batch job's description with the bytes of the input that are answered; AWS has no such member."""
LISTS: Mapping[str, str] = {
    "datasetGroup": "datasetGroups",
    "schema": "schemas",
    "dataset": "datasets",
    "datasetImportJob": "datasetImportJobs",
    "eventTracker": "eventTrackers",
    "filter": "Filters",
    "solution": "solutions",
    "solutionVersion": "solutionVersions",
    "campaign": "campaigns",
    "dataDeletionJob": "dataDeletionJobs",
}
"""Kinds of resources by the member of an answer that has one, with the member of a list's answer."""
_NONE = {
    "ListRecommenders": "recommenders",
    "ListMetricAttributions": "metricAttributions",
    "ListDatasetExportJobs": "datasetExportJobs",
    # They go on only while a machine asks for them, which marks the shop.
    "ListBatchInferenceJobs": "batchInferenceJobs",
    "ListBatchSegmentJobs": "batchSegmentJobs",
}
"""Lists of what the engine does not have, with the member of their answers."""


def required(records: Records, kind: str, arn: str) -> Members:
    """Return a resource's members.

    Raises:
        Refused: there is no such resource.
    """
    members = records.get(kind, arn)
    if members is None:
        raise Refused("ResourceNotFoundException", f"Resource with Arn {arn} does not exist.")
    return members


def datasets_of(records: Records, group: str) -> Iterator[Members]:
    """Yield the datasets of a group, by its ARN."""
    return records.listed("dataset", f"dataset/{group.rpartition('/')[2]}/", datasetGroupArn=group)


def schemas(records: Records, datasets: Iterable[Members]) -> dict[str, str]:
    """Return the schemas of datasets, as Avro JSON by dataset type."""
    return {dataset["datasetType"]: required(records, "schema", dataset["schemaArn"])["schema"] for dataset in datasets}


def _describe(kind: str, records: Records, parameters: Mapping[str, Any]) -> Members:
    return {kind: shown(required(records, kind, parameters[f"{kind}Arn"]))}


def _list(kind: str, records: Records, parameters: Mapping[str, Any]) -> Members:
    """Answer a list whose filter, if it has one, is the ARN of another resource."""
    having = {name: value for name, value in parameters.items() if name.endswith("Arn")}
    return {LISTS[kind]: [shown(members) for members in records.listed(kind, **having)]}


def _list_campaigns(records: Records, parameters: Mapping[str, Any]) -> Members:
    """List all campaigns, or those of a solution: the version that it serves tells."""
    start = f"{parameters['solutionArn']}/" if "solutionArn" in parameters else ""
    campaigns = records.listed("campaign")
    return {
        "campaigns": [
            shown(campaign) for campaign in campaigns if str(campaign["solutionVersionArn"]).startswith(start)
        ]
    }


def _metrics(records: Records, parameters: Mapping[str, Any]) -> Members:
    arn = parameters["solutionVersionArn"]
    return {"solutionVersionArn": arn, "metrics": required(records, "solutionVersion", arn).get("_metrics", {})}


def _empty(member: str, _records: Records, _parameters: Mapping[str, Any]) -> Members:
    return {member: []}


_ACTS: Mapping[str, Callable[[Records, Mapping[str, Any]], Members]] = {
    **{f"Describe{kind[0].upper()}{kind[1:]}": partial(_describe, kind) for kind in LISTS},
    **{f"List{member[0].upper()}{member[1:]}": partial(_list, kind) for kind, member in LISTS.items()},
    **{operation: partial(_empty, member) for operation, member in _NONE.items()},
    "ListCampaigns": _list_campaigns,
    "GetSolutionMetrics": _metrics,
}


def answer(records: Records, operation: str, parameters: Mapping[str, Any]) -> Members:
    """Answer an operation that describes or lists.

    Raises:
        Refused: there is no such resource.
    """
    return _ACTS[operation](records, parameters)


def _of_account(operation: str, account: Account, parameters: Mapping[str, Any]) -> Members:
    return answer(account.records, operation, parameters)


OPERATIONS: Mapping[str, Operation] = {operation: partial(_of_account, operation) for operation in _ACTS}
