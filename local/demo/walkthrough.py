# SPDX-License-Identifier: Apache-2.0
"""``make demo``: the main job on real data, from an empty machine to an answer that three events have changed."""

import json
import shlex
import signal
import time
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.cloud import lifecycle
from local.cloud.client import Answer, ApiError, Client, Upload
from local.cloud.environments import LOCAL, REPOSITORY, LocalError
from local.cloud.home import Home, State
from local.cloud.runs import Run
from local.demo import sample_data
from local.demo.sample_data import DemoData
from local.shopfront import server
from local.terminal.output import Terminal, run_json

SHOP = "demo"
SETTINGS = REPOSITORY / "storefront" / "settings.yaml"
"""The slots for which the shop's pages ask."""
PAGE = ("home", "home-bought", "home-popular")
"""Those of its front page."""
EVENTS = ("View", "AddToCart", "Purchase")
FIT_SECONDS = 60.0
"""How long the fit of the purchase likelihood may take."""


def main(options: Namespace, terminal: Terminal) -> int:
    """Run every step, show what comes of it, then stay up until Ctrl-C; with ``--once`` stop at the end.

    Raises:
        LocalError: a step did not do what it should; the cloud is stopped, its data and logs stay.
    """
    home = Home(options.run_dir)
    started = time.perf_counter()
    try:
        state = bring_up(home, terminal)
        client = Client(state)
        with terminal.step("preparing the sample data: groceries, simulated after real shopping patterns"):
            data = sample_data.prepare(LOCAL / "demo", lambda _: None)
        runs = [run_json(run) for run in fill(client, data, terminal)]
        shopper = show_shopper(client, data, terminal)
        newcomer = show_newcomer(client, data, shopper, terminal)
        likely = show_likelihood(client, shopper, newcomer, terminal).body
        seconds = time.perf_counter() - started
        if terminal.as_json:
            told = {"runs": runs, "shopper": shopper, "newcomer": newcomer, "likelihood": likely}
            terminal.json({"seconds": round(seconds, 1), **told})
        terminal.note(f"everything worked, in {seconds:.0f} s")
        if not options.once:
            with server.serving(server.open_shop(state, SHOP, server.demo_files())) as address:
                stay(state, address, shopper["user"], shopper["similar"][0]["itemId"], terminal)
    finally:
        lifecycle.down(home, terminal.step)
    return 0


def bring_up(home: Home, terminal: Terminal) -> State:
    terminal.heading("The shipped template on a local AWS, with the embedded engine as Amazon Personalize")
    state, notes = lifecycle.up(home, terminal.step)
    for note in notes:
        terminal.note(note)
    return state


def fill(client: Client, data: DemoData, terminal: Terminal) -> list[Run]:
    """Drop settings, then interactions, items and users at once; follow the run that handles them to its promotion."""
    with terminal.step("dropping settings.yaml: what the slots of the shop's pages show"):
        client.drop(SHOP, "settings", SETTINGS)
    terminal.heading("Three CSV files dropped into the bucket are one run of the state machine")
    # The largest first: the others are there before the run looks at what has come.
    uploads = [drop(client, kind, data, terminal) for kind in ("interactions", "items", "users")]
    run = finish(client, uploads[0], terminal)
    handled = {dropped["key"] for dropped in run.output["drops"]}
    late = [finish(client, upload, terminal) for upload in uploads if upload.key not in handled]
    if run.output["outcome"] == "alreadyHandled":
        terminal.note("an earlier demo has imported these files and trained on them: its release serves")
    else:
        terminal.note(f"from the drop to all campaigns ACTIVE: {run.seconds:.1f} s for {run.output['rows']:,} rows")
    return [run, *late]


def drop(client: Client, kind: str, data: DemoData, terminal: Terminal) -> Upload:
    file: Path = getattr(data, kind)
    with terminal.step(f"dropping {file.name}: {data.rows[kind]:,} rows"):
        return client.drop(SHOP, kind, file)


def finish(client: Client, upload: Upload, terminal: Terminal) -> Run:
    """Follow the run that an upload started.

    Raises:
        LocalError: the run failed; the message is its reason.
    """
    run = client.runs.started_by(upload.key, upload.before)
    for moment in client.runs.follow(run.arn):
        terminal.moment(moment)
    run = client.runs.describe(run.arn)
    if run.status != "SUCCEEDED":
        raise LocalError(f"the run of {upload.key} ended {run.status}: {run.reason}")
    return run


def show_shopper(client: Client, data: DemoData, terminal: Terminal) -> dict[str, Any]:
    """Show a known user: their last purchases, their recommendations, and what is similar to the first of them."""
    user = sample_data.sample_shopper(data)
    terminal.heading(f"Household {user} and what it bought last")
    bought = sample_data.recent_purchases(data, user, 6)
    rows = [
        (datetime.fromtimestamp(row.timestamp, UTC).strftime("%d %b %Y"), row.name, f"{row.price:.2f}")
        for row in bought
    ]
    terminal.table(("bought", "item", "price#"), rows)
    recommended = client.recommend(SHOP, user, limit="10")
    terminal.heading(f"Ten recommendations for household {user}")
    terminal.items(some(recommended), "")
    again = client.recommend(SHOP, user, limit="10")
    terminal.note(f"the first answer had to start the function; asked again, it takes {again.milliseconds:.0f} ms")
    first = recommended.body["items"][0]
    terminal.heading(f"Similar to {name(first)}")
    similar = client.similar(SHOP, first["itemId"], limit="5")
    terminal.items(some(similar), "")
    body = {"placements": PAGE, "itemId": bought[0].item_id}
    page = client.ask("POST", f"/shops/{SHOP}/users/{user}/placements", body=body)
    many = len({item["itemId"] for slot in page.body["placements"] for item in slot["items"]})
    shelves = len(page.body["placements"])
    terminal.note(f"{shelves} shelves of the shop's front page: {many} items, none twice, {page.milliseconds:.0f} ms")
    return {"user": user, "recommended": recommended.body["items"], "similar": similar.body["items"]}


def show_newcomer(client: Client, data: DemoData, shopper: dict[str, Any], terminal: Terminal) -> dict[str, Any]:
    """Show a new user, served from demographics at once, and from behaviour after three events."""
    profile = sample_data.cold_profile(data)
    user = f"new-{datetime.now(UTC):%H%M%S}"
    terminal.heading("A new shopper, of whom only demographics are known")
    terminal.note(", ".join(f"{column.replace('_', ' ').lower()} {value}" for column, value in profile.items()))
    client.ask("PUT", f"/shops/{SHOP}/users/{user}", body={"properties": profile})
    before = some(client.recommend(SHOP, user, limit="10"))
    strangers = some(client.recommend(SHOP, f"{user}-stranger", limit="10"))
    same = len({item["itemId"] for item in before.body["items"]} & {item["itemId"] for item in strangers.body["items"]})
    terminal.note(f"{10 - same} of her ten items differ from those of a stranger without demographics")
    interest = next(item for item in shopper["similar"] if item["itemId"] not in ids(before))
    sent = [client.event(SHOP, user, interest["itemId"], kind, f"session-{user}") for kind in EVENTS]
    after = some(client.recommend(SHOP, user, limit="10"))
    terminal.heading(f"She views {name(interest)}, puts it into the cart and buys it")
    compare(before, after, terminal)
    times = " + ".join(f"{answer.milliseconds:.0f}" for answer in sent)
    terminal.note(
        f"three events in {times} ms; answers in {before.milliseconds:.0f} ms before, {after.milliseconds:.0f} ms after"
    )
    if ids(before) == ids(after):
        raise LocalError(
            "the answer did not change after three events; see `python -m local logs RecordEventsFunction`"
        )
    return {"user": user, "before": before.body["items"], "after": after.body["items"]}


def show_likelihood(client: Client, shopper: dict[str, Any], newcomer: dict[str, Any], terminal: Terminal) -> Answer:
    """Show how likely the known user is to buy what was recommended, and an anonymous one."""
    names = {str(item["itemId"]): name(item) for item in shopper["recommended"][:4]}
    terminal.heading("How likely is it that they buy it within a week?")
    answer = likelihood(client, shopper["user"], list(names))
    terminal.likelihoods(answer, f"household {shopper['user']}", names)
    # Not the new shopper: the sample has no views, from which the likelihood of newcomers would be learned.
    terminal.likelihoods(likelihood(client, f"{newcomer['user']}-stranger", list(names)), "somebody", names)
    return answer


def likelihood(client: Client, user: str, items: Sequence[str]) -> Answer:
    """Ask for probabilities, since the fit that the run started may still be under way.

    Raises:
        LocalError: there are none after FIT_SECONDS.
    """
    until = time.monotonic() + FIT_SECONDS
    while True:
        try:
            return client.likelihood(SHOP, user, items)
        except ApiError as error:
            if error.answer.status != 409 or time.monotonic() > until:
                raise
        time.sleep(0.2)


def compare(before: Answer, after: Answer, terminal: Terminal) -> None:
    """Show two lists side by side, and mark what is new in the second."""
    known = set(ids(before))
    rows = [
        (place, name(old), name(new), "" if new["itemId"] in known else "new")
        for place, (old, new) in enumerate(zip(before.body["items"], after.body["items"], strict=False), 1)
    ]
    terminal.table(("#", "before", "after", ""), rows)


def stay(state: State, shop: str, user: str, item: str, terminal: Terminal) -> None:
    """Print what to try next, in the shop at the address `shop` and with the API, then wait for Ctrl-C."""
    base = f"{state.api}/shops/{SHOP}"
    curl = f"curl -s -H {shlex.quote('x-api-key: ' + state.key)}"
    event = {"userId": user, "sessionId": "s1", "events": [{"eventType": "View", "itemId": item}]}
    terminal.heading("It stays up until Ctrl-C. Try")
    terminal.line(f"the shop itself, in a browser: {shop}")
    terminal.line(f".venv/bin/python -m local recommend {SHOP} {user}")
    terminal.line(f"{curl} '{base}/popular?limit=3'")
    terminal.line(f"{curl} -d {shlex.quote(json.dumps(event))} {base}/events")
    terminal.line(f"{curl} '{base}/users/{user}/recommendations?limit=10'")
    with suppress(KeyboardInterrupt):
        signal.pause()


def some(answer: Answer) -> Answer:
    """Return the answer, which must have items. Raises LocalError where it has none."""
    if not answer.body.get("items"):
        raise LocalError("the API answered without items; see `python -m local logs GetRecommendationsFunction`")
    return answer


def ids(answer: Answer) -> Sequence[str]:
    return [item["itemId"] for item in answer.body["items"]]


def name(item: dict[str, Any]) -> str:
    """Return the name of an answer's item from its metadata, else its id."""
    metadata = item.get("metadata") or {}
    return str(next((value for column, value in metadata.items() if column.upper() == "NAME"), item["itemId"]))
