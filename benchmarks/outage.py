# SPDX-License-Identifier: Apache-2.0
"""Shelves while Personalize hangs: how long answers take, and whether all of them are filled.

Protocol: a local cloud with one small shop of all four recipes. Eight processes hold the function that answers, each a
container as Lambda has them: one request at a time, connections, circuits and memory of its own. (The cloud's own
function host lets requests wait for a busy container, which Lambda does not.) They are asked for recommendations,
similar items, popular items and a page of two placements: while Personalize answers, and while the engine holds every
GetRecommendations without an answer (`--action` has it fail in other ways). Half of the shoppers of the outage have
been answered before and half are new.

A list is filled if it has as many items as were asked for. Times are the handler's, event to answer. `slow` lists
waited for Personalize in vain; `resting` ones did not, because the circuit was open already. Exits with 1 if p99 of the
outage is above the fallback's budget and 50 ms, or any list is not filled.
"""

import argparse
import copy
import itertools
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import IO, Any, Self, cast

import boto3
from personalization.api.fallback import BUDGET_SECONDS

from benchmarks import shops
from benchmarks.harness import REPOSITORY, percentile
from local.cloud.faults import FaultDoor
from local.cloud.home import State, access, client_environment

SHOP, LIMIT, CONTAINERS = "outage", 8, 8
ACTIONS = ("hang", "throttle", "internalFailure", "dropConnection")
ROOM_MS = 50.0
"""What an answer may take beyond the budget."""
SLOTS = ("recommended", "beside")
SETTINGS = """domain: custom
placements:
  recommended: {recipe: user-personalization, limit: 8}
  beside: {recipe: similar-items, limit: 8}
"""
CONTAINER = """
import contextlib, io, json, sys, time
import functions.get_recommendations.app as app
for line in sys.stdin:
    event = json.loads(line)
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        answer = app.handler(event, None)
    milliseconds = (time.perf_counter() - started) * 1000
    print(json.dumps([milliseconds, answer["statusCode"], answer["body"]]), flush=True)
"""
Event = dict[str, Any]


@dataclass
class Outcome:
    """What became of the requests of a round."""

    milliseconds: list[float] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    """Those of answers that waited for Personalize in vain."""
    lists: int = 0
    filled: int = 0
    """Lists with all the items that were asked for; a page has one for each placement."""
    sources: Counter[str] = field(default_factory=Counter)
    """Items by where they came from."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Lists by the answer's word for what went wrong."""

    def note(self, milliseconds: float, status: int, answer: dict[str, Any], lists: int) -> None:
        """Count one answer, which was to have so many lists."""
        placements = answer.get("placements", [answer]) if status == 200 else []
        words = [placement.get("degradedReason", "as asked") for placement in placements] or [f"status {status}"]
        self.milliseconds.append(milliseconds)
        if "slow" in words:
            self.waited.append(milliseconds)
        self.lists += lists
        self.filled += sum(len(placement["items"]) == LIMIT for placement in placements)
        self.sources.update(item["source"] for placement in placements for item in placement["items"])
        self.reasons.update(words)


class Container:
    """The function in a process of its own, from its start on; ended with the `with` block."""

    def __init__(self, variables: dict[str, str]) -> None:
        command = [sys.executable, "-c", CONTAINER]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=variables, cwd=REPOSITORY, text=True)
        self._requests, self._told = cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout)

    def __enter__(self) -> Self:
        """The container; it has begun to start."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._requests.close()
        self._process.wait(10)
        self._told.close()

    def ask(self, event: Event) -> tuple[float, int, dict[str, Any]]:
        """Milliseconds, status and document of the answer to one event of API Gateway."""
        self._requests.write(json.dumps(event) + "\n")
        self._requests.flush()
        milliseconds, status, content = json.loads(self._told.readline())
        return milliseconds, status, json.loads(content)


def events(requests: int, shoppers: str) -> Iterator[Event]:
    """The requests, each kind of list in turn, as API Gateway hands them over."""
    names = ("recommendations", "similar", "popular", "placements")
    samples = {name: json.loads((REPOSITORY / "events" / f"api_{name}.json").read_text()) for name in names}
    for number, name in zip(range(requests), itertools.cycle(names), strict=False):
        event = copy.deepcopy(samples[name])
        ids = {"shop": SHOP, "userId": f"{shoppers}{number % 40}", "itemId": f"garden-{number % 30:02d}"}
        event["pathParameters"] = {parameter: ids[parameter] for parameter in event["pathParameters"]}
        event["queryStringParameters"] = {"limit": str(LIMIT)}
        event["multiValueQueryStringParameters"] = {"limit": [str(LIMIT)]}
        if name == "placements":
            event["queryStringParameters"] = event["multiValueQueryStringParameters"] = None
            event["body"] = json.dumps({"placements": SLOTS, "itemId": "kitchen-01"})
        yield event


def ask(containers: list[Container], events: Iterable[Event]) -> Outcome:
    """Hand each event to the next container that is free."""
    outcome, lock, left = Outcome(), threading.Lock(), iter(events)

    def serve(container: Container) -> None:
        while True:
            with lock:
                event = next(left, None)
            if event is None:
                return
            told = container.ask(event)
            with lock:
                outcome.note(*told, lists=len(SLOTS) if event["body"] else 1)

    with ThreadPoolExecutor(len(containers)) as pool:
        list(pool.map(serve, containers))
    return outcome


def play(state: State, requests: int, action: str) -> tuple[Outcome, Outcome]:
    """The same lists while Personalize answers, and while it does not."""
    variables = os.environ | client_environment(state) | deployed(state)
    variables["PYTHONPATH"] = f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'layers' / 'core'}"
    with ExitStack() as stack:
        containers = [stack.enter_context(Container(variables)) for _ in range(CONTAINERS)]
        for container in containers:
            container.ask(next(events(1, "u")))
        before = ask(containers, events(requests, "u"))
        of_users, strangers = events(requests // 2, "u"), events(requests - requests // 2, "stranger-")
        with FaultDoor(state.engine).during(action, "GetRecommendations"):
            return before, ask(containers, itertools.chain(of_users, strangers))


def deployed(state: State) -> dict[str, str]:
    """The variables that the template gives the function."""
    functions = boto3.client("lambda", **access(state)).list_functions()["Functions"]
    chosen = next(function for function in functions if "GetRecommendations" in function["FunctionName"])
    return dict(chosen["Environment"]["Variables"])


def told(name: str, outcome: Outcome) -> str:
    """A round's figures."""
    times = ", ".join(f"p{share} {percentile(outcome.milliseconds, share):,.1f} ms" for share in (50, 99))
    if outcome.waited:
        times += f", the longest of {len(outcome.waited)} that waited in vain {max(outcome.waited):,.0f} ms"
    words = ", ".join(f"{number} {word}" for word, number in outcome.reasons.most_common())
    sources = ", ".join(f"{number:,} {word}" for word, number in outcome.sources.most_common())
    filled = f"{outcome.filled / outcome.lists:.2%} of {outcome.lists:,} lists filled"
    return f"{name}: {len(outcome.milliseconds):,} answers, {times}\n  {filled}: {words}\n  items: {sources}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2_000)
    parser.add_argument("--action", choices=ACTIONS, default="hang")
    chosen = parser.parse_args()
    with shops.trained(SHOP, SETTINGS, stride=7) as (_, state):
        before, outage = play(state, chosen.requests, chosen.action)
    print(told("Personalize answers", before))
    print(told(chosen.action, outage))
    p99, bound = percentile(outage.milliseconds, 99), BUDGET_SECONDS * 1000 + ROOM_MS
    unfilled = sum(outcome.lists - outcome.filled for outcome in (before, outage))
    print(f"p99 {p99:,.0f} ms where {bound:,.0f} ms are allowed; {unfilled} lists not filled")
    if p99 > bound or unfilled:
        sys.exit("not as it should be")


if __name__ == "__main__":
    main()
