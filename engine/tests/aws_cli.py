# SPDX-License-Identifier: Apache-2.0
"""Run commands of AWS CLI v1, one JSON list of arguments a line on standard input; answer each on a line.

It runs in the environment `.local/awscli`. One process starts once for all commands: the CLI alone takes half a second.
"""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout

from awscli.clidriver import create_clidriver


class _Output(io.TextIOWrapper):
    """A standard output that the CLI may also write bytes to."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    def text(self) -> str:
        self.seek(0)
        return self.read()


def run(arguments: list[str]) -> dict[str, object]:
    """Run one command: what it wrote, and its exit status."""
    output, complaint = _Output(), _Output()
    with redirect_stdout(output), redirect_stderr(complaint):
        try:
            status = create_clidriver().main(arguments)
        except SystemExit as ending:
            status = ending.code if isinstance(ending.code, int) else 1
    return {"status": status, "output": output.text(), "complaint": complaint.text()}


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(json.dumps(run(json.loads(line))) + "\n")
        sys.stdout.flush()
