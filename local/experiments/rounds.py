# SPDX-License-Identifier: Apache-2.0
"""The round that analyses experiments every hour, called at once."""

import json
from collections.abc import Sequence

import boto3
from botocore.config import Config

from local.cloud.environments import LocalError
from local.cloud.home import State, access


def analyse(state: State) -> Sequence[str]:
    """Call the function that else comes every hour; return the shops in which it failed."""
    arguments = access(state)
    # As long as the function may take, and once.
    arguments["config"] = arguments["config"].merge(Config(read_timeout=900, retries={"total_max_attempts": 1}))
    functions = boto3.client("lambda", **arguments)
    called = functions.invoke(FunctionName=state.outputs["AnalysisFunctionName"], Payload=b"{}")
    answer = json.loads(called["Payload"].read())
    if "FunctionError" in called:
        raise LocalError(f"the analysis failed: {answer.get('errorMessage') or answer}")
    failed: Sequence[str] = answer["failed"]
    return failed
