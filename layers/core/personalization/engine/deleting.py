# SPDX-License-Identifier: Apache-2.0
"""Delete resources of the engine, with their files; refuse what others still refer to, as AWS does."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from personalization.engine import files, records
from personalization.engine.backend import Account, Operation, Refused
from personalization.engine.describing import required
from personalization.engine.making import folder_of, group_name, models_of

_NEEDED_BY: Mapping[str, tuple[tuple[str, str], ...]] = {
    "datasetGroup": (
        ("dataset", "datasetGroupArn"),
        ("solution", "datasetGroupArn"),
        ("eventTracker", "datasetGroupArn"),
        ("filter", "datasetGroupArn"),
    ),
    "schema": (("dataset", "schemaArn"),),
}
"""What may not be deleted while others refer to it: their kinds, and the member with its ARN."""


JOBS = ("batchInferenceJob", "batchSegmentJob")
"""Kinds of jobs whose records go with their dataset group."""


def delete(kind: str, account: Account, parameters: Mapping[str, Any]) -> None:
    """Delete a resource of a kind that has no files.

    Raises:
        Refused: there is no such resource, or others refer to it.
    """
    arn = parameters[f"{kind}Arn"]
    _check_unused(kind, account, arn)
    records.delete(account.records, kind, arn)


def _check_unused(kind: str, account: Account, arn: str) -> None:
    required(account.records, kind, arn)
    for other, member in _NEEDED_BY.get(kind, ()):
        for user in account.records.listed(other, **{member: arn}):
            raise Refused("ResourceInUseException", f"{arn} is used by {user[f'{other}Arn']}.")


def _delete_group(store: files.Store, account: Account, parameters: Mapping[str, Any]) -> None:
    """Delete a group, and whatever is left in its folder before it: a removal that is killed finds the group again."""
    arn = parameters["datasetGroupArn"]
    _check_unused("datasetGroup", account, arn)
    files.delete(store, folder_of(account, group_name(arn)))
    for kind in JOBS:
        for job in account.records.listed(kind, datasetGroupArn=arn):
            records.delete(account.records, kind, job[f"{kind}Arn"])
    records.delete(account.records, "datasetGroup", arn)


def _delete_dataset(store: files.Store, account: Account, parameters: Mapping[str, Any]) -> None:
    arn = parameters["datasetArn"]
    dataset = required(account.records, "dataset", arn)
    for job in account.records.listed("datasetImportJob", datasetArn=arn):
        if folder := job.get("_folder"):
            files.delete(store, folder)
        records.delete(account.records, "datasetImportJob", job["datasetImportJobArn"])
    if folder := dataset.get("_folder"):
        files.delete(store, folder)
    records.delete(account.records, "dataset", dataset["datasetArn"])


def delete_solution(store: files.Store, account: Account, parameters: Mapping[str, Any]) -> None:
    """Delete a solution, its versions and all of its models, those of killed trainings too.

    Raises:
        Refused: there is no such solution, or a campaign serves one of its versions.
    """
    arn = parameters["solutionArn"]
    solution = required(account.records, "solution", arn)
    for campaign in account.records.listed("campaign"):
        if str(campaign["solutionVersionArn"]).startswith(f"{arn}/"):
            raise Refused("ResourceInUseException", f"{arn} is used by {campaign['campaignArn']}.")
    files.delete(store, models_of(account, solution))
    for version in account.records.listed("solutionVersion", solutionArn=arn):
        records.delete(account.records, "solutionVersion", version["solutionVersionArn"])
    records.delete(account.records, "solution", arn)


def operations(store: files.Store) -> Mapping[str, Operation]:
    """Return the operations of functions that delete from a bucket."""
    kinds = ("schema", "eventTracker", "filter", "campaign")
    return {
        **{f"Delete{kind[0].upper()}{kind[1:]}": partial(delete, kind) for kind in kinds},
        "DeleteDatasetGroup": partial(_delete_group, store),
        "DeleteDataset": partial(_delete_dataset, store),
        "DeleteSolution": partial(delete_solution, store),
    }
