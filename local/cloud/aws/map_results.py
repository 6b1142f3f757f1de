# SPDX-License-Identifier: Apache-2.0
"""The results of a Distributed Map, for the next state or as files in S3.

Files are `<prefix>/<id of the map run>/manifest.json`, `SUCCEEDED_0.json`, `FAILED_0.json` and `PENDING_0.json`. A
redriven map run writes them again, where AWS adds files of each redrive.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ministack.services import s3, stepfunctions

from local.cloud.aws.map_items import Allow
from local.cloud.aws.patching import Json

PUT: Final = "arn:aws:states:::s3:putObject"
FAILED: Final = "States.ResultWriterFailed"
TRANSFORMATIONS: Final = {"NONE", "COMPACT", "FLATTEN"}
RIGHTS: Final = ("s3:PutObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload")
"""What AWS's policy for a ResultWriter has; whether each is needed, AWS's documents leave open."""
FILES: Final = {"FAILED": {"FAILED", "ABORTED", "TIMED_OUT"}, "PENDING": {"PENDING"}, "SUCCEEDED": {"SUCCEEDED"}}
"""A kind of file to the statuses of the children in it."""


def refusals(state: Mapping[str, Any]) -> Iterator[str]:
    """Yield why AWS refuses to create a machine with this map."""
    writer = state.get("ResultWriter")
    if writer is None:
        return
    if "WriterConfig" not in writer and not {"Resource", "Arguments"} <= set(writer):
        yield "a ResultWriter has a WriterConfig, a Resource with Arguments, or all three"
    if writer.get("Resource", PUT) != PUT:
        yield "a ResultWriter's Resource is s3:putObject"
    if writer.get("WriterConfig", {}).get("Transformation", "NONE") not in TRANSFORMATIONS:
        yield f"a ResultWriter's Transformation is one of {', '.join(sorted(TRANSFORMATIONS))}"


def record(child: Json, given: object) -> Json:
    """Return what AWS tells of a child; of one that did not start, its input alone."""
    if not child or child["status"] == "PENDING":
        return {"Input": json.dumps(given), "InputDetails": {"Included": True}, "Status": "PENDING"}
    names = ("executionArn", "input", "name", "startDate", "stateMachineArn", "status", "stopDate")
    optional = [name for name in ("output", "error", "cause") if child.get(name)]
    told = {f"{name[0].upper()}{name[1:]}": child[name] for name in (*names, *optional)}
    redrivable = child["status"] != "SUCCEEDED"
    told["RedriveCount"] = sum(event["type"] == "ExecutionRedriven" for event in child["events"])
    told["RedriveStatus"] = "REDRIVABLE_BY_MAP_RUN" if redrivable else "NOT_REDRIVABLE"
    if not redrivable:
        told["RedriveStatusReason"] = "Execution is SUCCEEDED and cannot be redriven"
    included = {f"{name}Details": {"Included": True} for name in ("Input", "Output") if name in told}
    return dict(sorted((told | included).items()))


class Writer:
    def __init__(self, state: Json, given: object, context: Json) -> None:
        """Evaluate the fields of a state's ResultWriter. Raises _ExecutionError."""
        told = stepfunctions._apply_jsonata_template(state.get("ResultWriter") or {}, given, context)
        config = told.get("WriterConfig", {})
        self.exports = "Resource" in told
        self.address: Json = told.get("Arguments", {})
        self.transformation = config.get("Transformation", "NONE" if told else "COMPACT")
        self.lines = config.get("OutputType") == "JSONL"

    def result(self, arn: str, records: list[Json], allow: Allow) -> object:
        """Return the state's result; what is exported, it only refers to. Raises _ExecutionError."""
        if not self.exports:
            return self._shaped(records)
        bucket, prefix = self.address.get("Bucket"), self.address.get("Prefix", "")
        folder = f"{prefix}{'' if not prefix or prefix.endswith('/') else '/'}{arn.rpartition(':')[2]}"
        allow(FAILED, [(right, f"arn:aws:s3:::{bucket}/{folder}/manifest.json") for right in RIGHTS])
        files: dict[str, list[Json]] = {}
        for kind, statuses in FILES.items():
            ended = [record for record in records if record["Status"] in statuses]
            key = f"{folder}/{kind}_0.{'jsonl' if self.lines else 'json'}"
            files[kind] = [{"Key": key, "Size": self._put(key, self._shaped(ended))}] if ended else []
        manifest = {"DestinationBucket": bucket, "MapRunArn": arn, "ResultFiles": files}
        key = f"{folder}/manifest.json"
        self._write(key, json.dumps(manifest).encode())
        return {"MapRunArn": arn, "ResultWriterDetails": {"Bucket": bucket, "Key": key}}

    def _shaped(self, records: list[Json]) -> list[Any]:
        """Return the outputs; of what did not succeed, and without a transformation, everything that is known."""
        shaped: list[Any] = []
        for record in records:
            if self.transformation == "NONE" or record["Status"] != "SUCCEEDED":
                shaped.append(record)
                continue
            output = json.loads(record["Output"])
            shaped += output if self.transformation == "FLATTEN" and isinstance(output, list) else [output]
        return shaped

    def _put(self, key: str, shaped: list[Any]) -> int:
        text = "".join(f"{json.dumps(record)}\n" for record in shaped) if self.lines else json.dumps(shaped)
        return self._write(key, text.encode())

    def _write(self, key: str, content: bytes) -> int:
        answer = s3._put_object(self.address.get("Bucket"), key, content, {"content-type": "application/json"})
        if answer[0] >= 300:
            raise stepfunctions._ExecutionError(FAILED, f"{key}: S3 answers {answer[0]}: {answer[2]!r}")
        return len(content)
