# SPDX-License-Identifier: Apache-2.0
"""Small shops on a local cloud, for benchmarks of what stands before the engine."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3

from local.cloud import lifecycle
from local.cloud.client import Client, Upload
from local.cloud.home import Home, State, access


def drop(client: Client, shop: str, settings: str, stride: int = 1) -> None:
    """Have a shop of sixty shoppers, who walk through sixty items, trained and promoted; ends the program if it is not.

    Args:
        client: of the local cloud.
        shop: its name.
        settings: its settings file.
        stride: how many items further each shopper begins than the one before.
    """
    items = [f"{kind}-{number:02d}" for kind in ("garden", "kitchen") for number in range(30)]
    times = [(n, step, 1_700_000_000 + step * 3600 + n) for n in range(60) for step in range(25)]
    rows = [f"u{n},{items[(n * stride + step) % 60]},Purchase,{at}" for n, step, at in times]
    history = "\n".join(["USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP", *rows])
    s3 = boto3.client("s3", **access(client.state))
    for name, text in (("settings.yaml", settings), ("interactions/all.csv", history)):
        upload = Upload(f"drops/{shop}/{name}", set(client.runs.arns()))
        s3.put_object(Bucket=client.state.outputs["BucketName"], Key=upload.key, Body=text.encode())
        run = client.runs.started_by(upload.key, upload.before)
        for _ in client.runs.follow(run.arn):
            pass
    if client.call("GET", f"/shops/{shop}/popular").status != 200:
        sys.exit("the shop does not serve")


@contextmanager
def trained(shop: str, settings: str, stride: int = 1) -> Iterator[tuple[Home, State]]:
    """Run a cloud with faults of its own, where such a shop serves; no variable of an account reaches it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "cloud")
        try:
            state, _ = lifecycle.up(home, faults=True)
            drop(Client(state), shop, settings, stride)
            yield home, state
        finally:
            lifecycle.down(home, wipe=True)
