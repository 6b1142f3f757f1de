# SPDX-License-Identifier: Apache-2.0
"""Time a throw-away engine of `personalize_local.testing` beside moto's mock: `python -m benchmarks.throwaway`.

Each is begun, gets its clients and one answer, and ends: first in a fresh process that has imported it, then again and
again. Milliseconds of the clock and of the processor: the second does not depend on
what else the machine does.
"""

import json
import subprocess
import sys
from statistics import median

REPEATS = 20
_TIMED = """
import json, sys, time
import boto3
began = time.perf_counter()
{imports}
imported = 1000 * (time.perf_counter() - began)

def once():
    wall, processor = time.perf_counter(), time.process_time()
    with {mock} as aws:
        {ask}
        ready = 1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - processor)
        wall = time.perf_counter()
    return *ready, 1000 * (time.perf_counter() - wall)

json.dump([imported, *(once() for _ in range({repeats}))], sys.stdout)
"""
KINDS = {
    "Personalize Local": (
        "from personalize_local.testing import personalize",
        "personalize()",
        "aws.runtime, aws.events, aws.personalize.list_schemas()",
    ),
    "moto, S3": (
        "from moto import mock_aws",
        "mock_aws()",
        "boto3.client('s3', region_name='us-east-1').list_buckets()",
    ),
    "moto, Personalize's schemas": (
        "from moto import mock_aws",
        "mock_aws()",
        "boto3.client('personalize', region_name='us-east-1').list_schemas()",
    ),
}


def main() -> None:
    head = ("", "import ms", "first ms", "CPU ms", "later ms", "CPU ms", "end ms")
    print("{:<28}{:>10}{:>9}{:>9}{:>9}{:>9}{:>9}".format(*head))
    for name, (imports, mock, ask) in KINDS.items():
        script = _TIMED.format(imports=imports, mock=mock, ask=ask, repeats=REPEATS)
        done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
        imported, first, *later = json.loads(done.stdout)
        wall, processor, end = (median(column) for column in zip(*later, strict=True))
        print(f"{name:<28}{imported:10.0f}{first[0]:9.0f}{first[1]:9.0f}{wall:9.0f}{processor:9.0f}{end:9.0f}")


if __name__ == "__main__":
    main()
