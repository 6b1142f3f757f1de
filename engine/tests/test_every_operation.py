# SPDX-License-Identifier: Apache-2.0
"""Every operation performs a valid call of a client that waits for nothing that the calls don't need."""

from botocore import xform_name

from engine.tests.calls import BUCKET, CALLS, MODELS, Json, play, write_files
from engine.tests.harness import Aws


def test_every_operation_performs_a_valid_call(aws: Aws) -> None:
    write_files(aws.engine.s3_root / BUCKET)
    clients = {each.meta.service_model.service_name: each for each in (aws.control, aws.runtime, aws.events)}

    def perform(operation: str, request: Json) -> Json:
        client = clients[MODELS[operation].service_model.service_name]
        answer: Json = getattr(client, xform_name(operation))(**request)
        return answer

    failed = {call.operation: answer["error"] for call, answer in play(perform) if "error" in answer}
    assert failed == {}
    assert {call.operation for call in CALLS} == set(MODELS)
