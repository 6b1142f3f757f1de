# SPDX-License-Identifier: Apache-2.0
"""AWS's runtime interface client beside our own, which functions run under on macOS: cold starts and warm calls.

``PYTHONPATH=layers/core python -m benchmarks.runtime_clients``: two local clouds side by side, with a function that
does nothing, asked in turn. What a call costs besides the client (boto3, the local AWS) is the same in both.
"""

import io
import statistics
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import boto3
import pytest
from botocore.client import BaseClient

from local.cloud import lifecycle
from local.cloud.aws import CLIENT
from local.cloud.home import Home, access

CLIENTS = ("awslambdaric", "runtime_interface_client")
COLD, WARM = 10, 300


@contextmanager
def functions(client: str) -> Iterator[BaseClient]:
    """Start a local AWS whose functions run under this client; yield its Lambda, with COLD functions."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("app.py", "def handler(event, context):\n    return event\n")
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv(CLIENT, client)
        home = Home(Path(folder))
        try:
            state = lifecycle.start(home)
            lifecycle.wait_ready(home, state)
            trust = '{"Version": "2012-10-17", "Statement": []}'
            role = boto3.client("iam", **access(state)).create_role(RoleName="any", AssumeRolePolicyDocument=trust)
            made = boto3.client("lambda", **access(state))
            for number in range(COLD):
                made.create_function(
                    FunctionName=f"f{number}",
                    Runtime="python3.13",
                    Handler="app.handler",
                    Role=role["Role"]["Arn"],
                    Code={"ZipFile": package.getvalue()},
                )
            yield made
        finally:
            lifecycle.stop(home)


def milliseconds(client: BaseClient, function: str) -> float:
    begun = time.perf_counter()
    answer = client.invoke(FunctionName=function, Payload=b'{"items": [1, 2, 3]}')  # type: ignore[attr-defined]
    answer["Payload"].read()
    return (time.perf_counter() - begun) * 1000


def main() -> None:
    with ExitStack() as stack:
        made = {name: stack.enter_context(functions(name)) for name in CLIENTS}
        cold: dict[str, list[float]] = {name: [] for name in CLIENTS}
        warm: dict[str, list[float]] = {name: [] for name in CLIENTS}
        for number in range(COLD):
            for name, client in made.items():
                cold[name].append(milliseconds(client, f"f{number}"))
        for _ in range(WARM):
            for name, client in made.items():
                warm[name].append(milliseconds(client, "f0"))
    print(f"{'':28}{'cold p50':>10}{'warm p50':>10}{'warm p90':>10}  ms")
    for name in CLIENTS:
        figures = (
            statistics.median(cold[name]),
            statistics.median(warm[name]),
            statistics.quantiles(warm[name], n=10)[8],
        )
        print(f"{name:28}" + "".join(f"{figure:10.2f}" for figure in figures))
    aws, ours = CLIENTS
    for what, times in (("cold", cold), ("warm", warm)):
        print(f"{what}: ours / AWS's = {statistics.median(times[ours]) / statistics.median(times[aws]):.2f}")


if __name__ == "__main__":
    main()
