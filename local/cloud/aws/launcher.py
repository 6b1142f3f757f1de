# SPDX-License-Identifier: Apache-2.0
"""Start the local AWS (ministack, pinned) with what this project needs of it; `docs/refusals.md` explains each point.

Runs inside the cloud environment: ``.local/cloud/bin/python -m local.cloud.aws.launcher [--faults]``, settings by
environment variables (``GATEWAY_PORT``, ``AWS_ENDPOINT_URL_PERSONALIZE``, ``AUTH`` … as :mod:`local.cloud.lifecycle`
sets them). It only replaces entries of ministack's own tables, so everything else behaves as ministack documents it.
"""

import asyncio
import contextvars
import importlib.metadata
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import botocore.session
import urllib3
import yaml
from ministack import app
from ministack.core import iam_actions, router
from ministack.services import cloudformation, eventbridge, s3, stepfunctions
from ministack.services.cloudformation import engine, provisioners
from personalize_local.resources import open_files

from local.cloud import aws
from local.cloud.aws import (
    api_gateway,
    cloud_control,
    distributed_map,
    documentation,
    executions,
    faults,
    guard,
    objects,
    personalize_types,
    retention,
    rights,
    saving,
    strictness,
    workers,
)
from local.cloud.aws.patching import Answer, Door, Function, Json, open_doors, wrapping

VERSION = "1.5.33"
"""The only ministack that this package has been written for and tested against."""
log = logging.getLogger("launcher")


class ErrorNames(dict[str, str]):
    """Error codes as a state machine sees them: modelled ones by name, all others as AWS's PersonalizeException."""

    def get(self, code: str, _default: object = None) -> str:
        return super().get(code, "PersonalizeException")


def personalize_service(engine: str) -> None:
    """Route Amazon Personalize to the embedded engine at the URL `engine`, for SDK clients and state machines alike."""
    pool = urllib3.PoolManager(maxsize=16, retries=False, timeout=60.0)

    def forward(method: str, path: str, headers: dict[str, str], body: bytes | str) -> Answer:
        passed_on = {k: v for k, v in headers.items() if k.lower() in {"authorization", "content-type", "x-amz-target"}}
        try:
            answer = pool.request(method, engine + path, body=body, headers=passed_on)
        except urllib3.exceptions.HTTPError as error:
            fault = {"__type": "ServiceUnavailable", "message": f"the engine at {engine} is away: {error}"}
            return 503, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(fault).encode()
        return (
            answer.status,
            {k: v for k, v in answer.headers.items() if k.lower().startswith(("content-", "x-"))},
            answer.data,
        )

    async def handle(method: str, path: str, headers: dict[str, str], body: bytes | str, _query: object) -> Answer:
        signed = headers | {"authorization": rights.signed_by_machine(headers.get("authorization", ""))}
        return await asyncio.to_thread(forward, method, path, signed, body)

    model = botocore.session.get_session().get_service_model("personalize")
    app.SERVICE_HANDLERS["personalize"] = handle
    router.SERVICE_PATTERNS["personalize"] = {"target_prefixes": ["AmazonPersonalize."]}
    stepfunctions._AWS_SDK_SERVICE_MAP["personalize"] = {"target_prefix": "AmazonPersonalize", "protocol": "json"}
    stepfunctions._AWS_SDK_ERROR_PREFIX["personalize"] = "Personalize"
    stepfunctions._AWS_SDK_ERROR_CODE_OVERRIDES["personalize"] = ErrorNames(
        {s.name: s.name for s in model.error_shapes}
    )


def gradual_deployments() -> None:
    """Accept CodeDeploy's types (SAM's DeploymentPreference) without emulating them, and say so in the log."""

    def accept(logical_id: str, _props: object, stack: str) -> tuple[str, dict[str, str]]:
        log.warning("%s of %s: accepted, not emulated; a new version takes all traffic at once", logical_id, stack)
        return f"{stack}-{logical_id}", {}

    for kind in ("Application", "DeploymentGroup"):
        provisioners._RESOURCE_HANDLERS[f"AWS::CodeDeploy::{kind}"] = {
            "create": accept,
            "update": lambda physical_id, *_: (physical_id, {}),
            "delete": lambda *_: None,
        }


def yaml_state_machines() -> None:
    """Let a state machine's definition file be YAML, as CloudFormation does; ministack reads JSON only."""
    machine = provisioners._RESOURCE_HANDLERS["AWS::StepFunctions::StateMachine"]

    def as_json(props: Json) -> Json:
        location = props.get("DefinitionS3Location") or {}
        blob = (
            s3._get_object_data(location["Bucket"], location["Key"], version_id=location.get("Version"))
            if location
            else None
        )
        if blob is None or blob.lstrip()[:1] == b"{":
            return props
        rest = {key: value for key, value in props.items() if key != "DefinitionS3Location"}
        return rest | {"Definition": yaml.safe_load(blob)}

    @wrapping(machine, "create")
    def create(stock: Function, logical_id: str, props: Json, stack: str) -> object:
        return stock(logical_id, as_json(props), stack)

    @wrapping(machine, "update")
    def update(stock: Function, physical_id: str, old: Json, new: Json, *names: str) -> object:
        return stock(physical_id, as_json(old), as_json(new), *names)


def loopback_is_tls() -> None:
    """Count every request as encrypted: a policy that refuses plain HTTP would refuse all of this machine's."""

    @wrapping(app, "pin_request_origin")
    def pinned(stock: Function, address: object, _secure: bool) -> object:
        return stock(address, True)


def schedules_in_groups() -> None:
    """Check rights on a schedule in its own group; ministack looks for every schedule in the default one."""

    @wrapping(iam_actions, "extract_resource_arn")
    def arn(stock: Function, *request: Any) -> str:  # noqa: ANN401 - service, method, path, headers, body, query, …
        target: str = stock(*request)
        if ":schedule/default/" not in target:
            return target
        body, query = request[4], request[5]
        group = iam_actions._safe_json_field(body, "GroupName") or iam_actions._query_param(query, "groupName")
        return target.replace(":schedule/default/", f":schedule/{group}/") if group else target


def batches_of_messages() -> None:
    """Check rights on SQS batches as AWS does, by the action of the single call."""

    @wrapping(iam_actions, "extract_iam_action")
    def action(stock: Function, *request: object) -> str | None:
        source: str | None = stock(*request)
        return source.removesuffix("Batch") if source and source.startswith("sqs:") else source


def versions_in_events() -> None:
    """Name the version in the events of an object that S3 sends to EventBridge, as AWS does."""
    written: contextvars.ContextVar[str | None] = contextvars.ContextVar("written", default=None)

    @wrapping(s3, "_fire_s3_event")
    def fired(stock: Function, *event: object, **more: Any) -> None:  # noqa: ANN401 - ministack's own
        token = written.set(more.get("version_id"))
        try:
            stock(*event, **more)
        finally:
            written.reset(token)

    @wrapping(eventbridge, "_dispatch_event")
    def dispatched(stock: Function, event: Json, view: object = None) -> None:
        if event.get("Source") == "aws.s3" and (version := written.get()):
            detail = json.loads(event["Detail"])
            detail["object"]["version-id"] = version
            event = event | {"Detail": json.dumps(detail)}
        stock(event, view)


def ranges_of_versions() -> None:
    """Read a range of a version of an object; ministack answers with the whole version."""

    @wrapping(s3, "_get_object")
    def got(stock: Function, bucket: str, key: str, headers: Json, query: Json | None = None) -> object:
        status, told, body = stock(bucket, key, headers, query)
        wanted = headers.get("range", "")
        if status != 200 or not wanted or not (query or {}).get("versionId"):
            return status, told, body
        limits = s3._parse_range(wanted, len(body))
        if limits is None:
            answer = s3._xml_body(s3._range_error_xml(bucket, key))
            return 416, {"Content-Type": "application/xml", "Content-Range": f"bytes */{len(body)}"}, answer
        start, end = limits
        # The checksum is the whole version's.
        told = {name: value for name, value in told.items() if not name.lower().startswith("x-amz-checksum-")}
        told |= {"Content-Length": str(end - start + 1), "Content-Range": f"bytes {start}-{end}/{len(body)}"}
        return 206, told, body[start : end + 1]


def nested_stacks() -> None:
    """Transform a nested stack's template, and keep the attributes of unchanged resources, as for the root stack."""

    @wrapping(provisioners, "_check_nested_stack_capabilities")
    def check(stock: Function, parent: str, template: Json) -> None:
        made = engine._apply_transforms(dict(template))
        if isinstance(made, engine._TransformFailed):
            raise ValueError(made.error)  # noqa: TRY004 - a template that cannot be transformed
        template.clear()
        template.update(made)
        stock(parent, template)

    @wrapping(provisioners, "_update_resource")
    def update(stock: Function, *resource: Any) -> tuple[str, Json]:  # noqa: ANN401 - type, id, properties, stack, name
        physical_id, (stack, logical_id) = resource[1], resource[4:6]
        before = cloudformation._stacks[stack]["_resources"].get(logical_id, {}).get("Attributes", {})
        made, attributes = stock(*resource)
        return made, {**before, **attributes} if made == physical_id else attributes


def alarms_on_sums() -> None:
    """Accept an alarm on a sum of metrics; it watches the first one only, and the log says so."""

    @wrapping(provisioners, "_cw_metric_alarm_record")
    def record(stock: Function, name: str, props: Json) -> object:
        added = [metric["MetricStat"] for metric in props.get("Metrics", []) if "MetricStat" in metric]
        if added:
            log.warning("alarm %s: of its %d metrics only the first is watched here", name, len(added))
            metric = added[0]["Metric"] | {"Statistic": added[0]["Stat"], "Period": added[0]["Period"]}
            props = {key: value for key, value in props.items() if key != "Metrics"} | metric
        return stock(name, props)


def main() -> None:
    """Check the version, apply the points above, and serve and save until SIGTERM."""
    version = importlib.metadata.version("ministack")
    if version != VERSION:
        message = f"launcher.py is written for ministack {VERSION}, but {sys.prefix} has {version}."
        raise SystemExit(f"{message} Make the environment again: .venv/bin/python -m local setup")
    open_files.raise_limit()  # each warm function takes some, and macOS begins with 256
    personalize_service(os.environ["AWS_ENDPOINT_URL_PERSONALIZE"].rstrip("/"))
    workers.install()
    gradual_deployments()
    yaml_state_machines()
    loopback_is_tls()
    schedules_in_groups()
    batches_of_messages()
    versions_in_events()
    ranges_of_versions()
    nested_stacks()
    alarms_on_sums()
    executions.install()
    distributed_map.install()
    api_gateway.install()
    personalize_types.install()
    cloud_control.install()
    retention.install()
    objects.install()
    strictness.install()
    saver = saving.install(Path(os.environ["STATE_DIR"]))
    doors: dict[str, Door] = {aws.SAVED: saver.answer, aws.RIGHTS: rights.answer}
    if "--faults" in sys.argv:
        doors[aws.DOORS] = faults.install().answer
    rights.install()
    open_doors(doors)
    app.app = documentation.served(app.app)
    guard.install()
    del sys.argv[1:]  # ministack has options of its own
    app.main()


if __name__ == "__main__":
    main()
