# SPDX-License-Identifier: Apache-2.0
"""Build and deploy the sources to a local cloud, by the unmodified `sam build` and `sam deploy`."""

import fcntl
import hashlib
import os
import platform
import re
import subprocess
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import boto3
import botocore.exceptions
from table_intake.wording import Text

from local.cloud import layers, login, resuming
from local.cloud.environments import LOCAL, REPOSITORY, WAY_OUT, LocalError, Step, python_runtime
from local.cloud.home import REGION, Home, State, access, client_environment, tail

_LIBRARIES = ("table-intake/src", "engine/src")
SOURCES = ("template.yaml", "stacks", "samconfig.toml", "functions", "layers", *_LIBRARIES, "statemachines")
BUILD = LOCAL / "build"
SETTLED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
"""Statuses from which a stack can be updated."""
NEVER_MADE = ("REVIEW_IN_PROGRESS", "CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED")
"""Statuses of a stack whose creation failed: it holds nothing."""
CHANGE_SECONDS = 120
"""How long to wait for a change that a killed `up` began."""


def build(home: Home, step: Step) -> None:
    """Build functions and layers for this machine, unless the sources are what was built last."""
    with locked(fcntl.LOCK_EX):
        wanted = fingerprint()
        note = BUILD / "built"
        if note.exists() and note.read_text() == wanted and (BUILD / "sam" / layers.PACKED).exists():
            return
        note.unlink(missing_ok=True)
        with step(Text("cloud.building", "building functions and layers (sam build)")):
            places = ["--build-dir", str(BUILD / "sam"), "--cache-dir", str(BUILD / "cache")]
            target = [f"PythonRuntime={python_runtime()}", f"Architecture={architecture()}"]
            sam(home, "build", ["--template-file", "template.yaml", *places, "--parameter-overrides", *target], {})
            layers.pack(BUILD / "sam")
        note.write_text(wanted)


def deploy(home: Home, state: State, step: Step) -> State:
    """Deploy the sources, unless they are what was deployed last, and store the stack's outputs and API key."""
    build(home, step)
    note = home.data / "deployed"
    wanted = f"{fingerprint()} {login.issuer(state)} {state.incremental_bytes} {state.part_bytes} {state.fit_rows}"
    stacks = boto3.client("cloudformation", **access(state))
    status = settled(state)
    if status not in SETTLED or not note.exists() or note.read_text() != wanted:
        note.unlink(missing_ok=True)
        with (
            step(Text("cloud.deploying", "deploying the stack {stack} (sam deploy)", stack=state.stack)),
            locked(fcntl.LOCK_SH),
        ):
            if status in NEVER_MADE:
                stacks.delete_stack(StackName=state.stack)
                often = {"Delay": 1, "MaxAttempts": 60}
                stacks.get_waiter("stack_delete_complete").wait(StackName=state.stack, WaiterConfig=often)
            elif status and status not in SETTLED:
                raise LocalError(f"the stack {state.stack} is {status}, from which it cannot be updated.\n{WAY_OUT}")
            login.publish(home, state)
            of_state = [
                f"IncrementalImportBytes={state.incremental_bytes}",
                f"CheckPartBytes={state.part_bytes}",
                f"LikelihoodRows={state.fit_rows}",
                *login.parameters(state),
            ]
            packed = layers.put(BUILD / "sam", boto3.client("s3", **access(state)))
            template = ["--template-file", str(packed), "--stack-name", state.stack]
            arguments = [*template, "--use-json", "--no-progressbar", "--parameter-overrides", *parameters(), *of_state]
            sam(home, "deploy", arguments, client_environment(state))
            resuming.save(state)
        note.write_text(wanted)
    stack = stacks.describe_stacks(StackName=state.stack)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    gateway = boto3.client("apigateway", **access(state))
    state = replace(
        state,
        outputs=outputs,
        api=api_address(state, outputs["ApiUrl"]),
        browser_api=api_address(state, outputs["BrowserApiUrl"]),
        key=gateway.get_api_key(apiKey=outputs["ApiKeyId"], includeValue=True)["value"],
    )
    home.write(state)
    return state


def parameters() -> list[str]:
    """Return the template's parameters: those of samconfig.toml's `local` environment, and this machine's."""
    settings = tomllib.loads((REPOSITORY / "samconfig.toml").read_text())
    given: str = settings["local"]["deploy"]["parameters"].get("parameter_overrides", "")
    return [*given.split(), f"PythonRuntime={python_runtime()}", f"Architecture={architecture()}"]


def architecture() -> str:
    return "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"


def fingerprint() -> str:
    digest = hashlib.sha256(" ".join(parameters()).encode())
    for source in [REPOSITORY / name for name in SOURCES]:
        for path in [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file()):
            if "__pycache__" not in path.parts:
                digest.update(f"\0{path.relative_to(REPOSITORY)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def sam(home: Home, command: str, arguments: list[str], extra: dict[str, str]) -> None:
    """Run `sam COMMAND` with samconfig.toml's `local` environment, its output in the log of that name."""
    path = [str(LOCAL / "cloud" / "bin"), str(REPOSITORY / ".venv" / "bin"), os.environ["PATH"]]
    of_sam = {
        "PATH": os.pathsep.join(path),
        "PYTHON_RUNTIME": python_runtime(),
        "ARCHITECTURE": architecture(),
        "WHEELS": "host",
        "AWS_DEFAULT_REGION": REGION,
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "0.2",
    }
    environment = os.environ | extra | of_sam
    environment.pop("VIRTUAL_ENV", None)
    configured = ["--config-file", str(REPOSITORY / "samconfig.toml"), "--config-env", "local"]
    line = [str(LOCAL / "sam" / "bin" / "sam"), command, *configured, *arguments]
    with home.log(command).open("wb") as log:
        done = subprocess.run(
            line, cwd=REPOSITORY, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False
        )
    if done.returncode:
        raise LocalError(f"`sam {command}` failed:\n{tail(home.log(command), 25)}")


@contextmanager
def locked(operation: int) -> Iterator[None]:
    """Hold the build folder, which all clouds share: alone (LOCK_EX) to build, beside others (LOCK_SH) to read it."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / "lock").open("w") as lock:
        fcntl.flock(lock, operation)
        yield


def settled(state: State) -> str:
    """Return the stack's status once no change is under way; "" where there is no stack."""
    stacks = boto3.client("cloudformation", **access(state))
    deadline = time.monotonic() + CHANGE_SECONDS
    while True:
        try:
            status = str(stacks.describe_stacks(StackName=state.stack)["Stacks"][0]["StackStatus"])
        except botocore.exceptions.ClientError:
            return ""
        if not status.endswith("_IN_PROGRESS") or status in NEVER_MADE or time.monotonic() > deadline:
            return status
        time.sleep(0.2)


def api_address(state: State, api_url: str) -> str:
    """Return where the local AWS serves the API that on AWS answers at `api_url`."""
    parts = re.fullmatch(r"https://(\w+)\.execute-api\.[^/]+/(\w+)/?", api_url)
    if parts is None:
        raise LocalError(f"the stack's output ApiUrl is not the address of a REST API: {api_url}")
    return f"{state.endpoint}/_aws/execute-api/{parts[1]}/{parts[2]}"
