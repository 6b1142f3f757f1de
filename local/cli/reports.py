# SPDX-License-Identifier: Apache-2.0
"""The pages that runs write about a shop, fetched from the bucket to be looked at."""

from argparse import Namespace
from pathlib import Path

import boto3

from local.cloud.environments import LocalError
from local.cloud.home import State, access
from local.terminal.output import Terminal


def fetch(state: State, options: Namespace, terminal: Terminal) -> None:
    """Download the pages of the newest run that wrote any, or of one run, and say where they are.

    Raises:
        LocalError: there are none.
    """
    s3 = boto3.client("s3", **access(state))
    bucket, prefix = state.outputs["BucketName"], f"reports/{options.shop}/"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    found = [each for page in pages for each in page.get("Contents", []) if each["Key"].endswith(".html")]
    if options.run:
        found = [each for each in found if each["Key"].split("/")[2] == options.run]
    if not found:
        raise LocalError(f"there are no reports on {options.run or options.shop}; a run writes them as it goes")
    newest = max(found, key=lambda each: each["LastModified"])["Key"].rpartition("/")[0]
    told = []
    for key in sorted(each["Key"] for each in found if each["Key"].startswith(f"{newest}/")):
        path = Path(options.run_dir) / key
        path.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, key, str(path))
        told.append({"key": f"s3://{bucket}/{key}", "path": str(path.resolve())})
    if terminal.as_json:
        terminal.json(told)
    for page in told if not terminal.as_json else ():
        terminal.line(page["path"])
