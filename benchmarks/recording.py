# SPDX-License-Identifier: Apache-2.0
"""What the direct path of events adds to PutEvents: our handler beside the bare boto3 call, in turns, in one process.

Both talk to a local server that answers PutEvents and the table's BatchWriteItem at once, so what is measured is ours:
checking, splitting, ids, the write to the table, metrics. On AWS the table's own few milliseconds come on top.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from typing import IO, Any, cast

from benchmarks.harness import percentile
from benchmarks.serving import REPOSITORY, environment, timed

PAIRS, MOST_MS = 1_000, 5.0
VARIABLES = {"SHOPPER_EVENTS_TABLE": "shopper-events", "EVENTS_QUEUE_URL": "http://127.0.0.1:9/events"}


def measure() -> None:
    """Print the figures; ends with an error where the direct path adds more than it may."""
    import boto3  # noqa: PLC0415 - in the process with the functions' variables

    from functions.record_events import app  # noqa: PLC0415

    client, over = boto3.client("personalize-events"), {}
    for count in (1, 10):
        sent: list[Any] = [
            {"eventType": "View", "itemId": f"i{number}", "eventId": f"e{number}", "sentAt": 1_700_000_000}
            for number in range(count)
        ]
        request = {"userId": "u1", "sessionId": "s1", "events": sent}
        event = json.loads((REPOSITORY / "events" / "api_events.json").read_text()) | {"body": json.dumps(request)}

        def ours(event: dict[str, Any] = event) -> dict[str, Any]:
            return app.handler(event, None)

        def bare(sent: list[Any] = sent) -> object:
            return client.put_events(trackingId="t", userId="u1", sessionId="s1", eventList=sent)

        calls: tuple[Callable[[], object], ...] = (ours, bare)
        with redirect_stdout(StringIO()):
            if ours()["statusCode"] != 202:
                sys.exit("the handler does not accept events")
            rounds = [[timed(call) / 1000 for call in calls] for _ in range(PAIRS)]
        handler_times, client_times = zip(*rounds, strict=True)
        ours_ms, bare_ms = statistics.median(handler_times), statistics.median(client_times)
        over[count] = ours_ms - bare_ms
        print(
            f"{count} events: ours {ours_ms:.2f} ms (p99 {percentile(handler_times, 99):.2f}), bare PutEvents "
            f"{bare_ms:.2f} ms (p99 {percentile(client_times, 99):.2f}): {over[count]:.2f} ms more"
        )
    if max(over.values()) > MOST_MS:
        sys.exit(f"more than {MOST_MS:.0f} ms")


def main() -> None:
    """Start the server, and measure in a process with a function's variables."""
    command = [sys.executable, "-m", "benchmarks.serving", "serve"]
    server = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    with tempfile.TemporaryDirectory() as cache:
        try:
            variables = environment(int(cast("IO[str]", server.stdout).readline()), cache) | VARIABLES
            measuring = [sys.executable, "-m", "benchmarks.recording", "measure"]
            subprocess.run(measuring, env=variables, cwd=REPOSITORY, check=True)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    measure() if sys.argv[1:] == ["measure"] else main()
