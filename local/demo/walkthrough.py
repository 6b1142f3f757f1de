# SPDX-License-Identifier: Apache-2.0
"""``make demo``: the main job on real data, from an empty machine to an answer that three events have changed."""

import json
import os
import shlex
import signal
import time
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from local.cloud import lifecycle
from local.cloud.client import Answer, ApiError, Client, Upload
from local.cloud.environments import LOCAL, REPOSITORY, LocalError
from local.cloud.home import Home
from local.cloud.runs import Run
from local.demo import sample_data
from local.demo.sample_data import DemoData
from local.shopfront import server
from local.terminal.output import Terminal, item_name, run_json

SHOP = "demo"
SETTINGS = REPOSITORY / "storefront" / "settings.yaml"
"""The placements of the shop's pages."""
PAGE = ("home", "home-bought", "home-popular")
"""Those of its front page."""
EVENTS = ("View", "AddToCart", "Purchase")
FIT_SECONDS = 60.0
"""How long the fit of the purchase likelihood may take."""

Item = dict[str, Any]


def main(options: Namespace, terminal: Terminal) -> None:
    """Run every step, show its result, then stay up until Ctrl-C; with ``--once`` stop at the end."""
    home = Home(options.run_dir)
    started = time.perf_counter()
    os.environ.setdefault(lifecycle.TIER, "standard")  # somebody watches, and these baskets gain nothing by a network
    try:
        terminal.heading("The shipped template on a local AWS, with the embedded engine as Amazon Personalize")
        state, notes = lifecycle.up(home, terminal.step)
        for note in notes:
            terminal.note(note)
        with terminal.step("preparing the sample data: groceries, simulated after real shopping patterns"):
            data = sample_data.prepare(LOCAL / "demo")
        demo = Demo(Client(state), data, terminal)
        runs = [run_json(run) for run in demo.fill()]
        user = demo.show_user()
        newcomer = demo.show_newcomer(user["similar"])
        likely = demo.show_likelihood(user, newcomer["user"]).body
        seconds = time.perf_counter() - started
        if terminal.as_json:
            results = {"runs": runs, "shopper": user, "newcomer": newcomer, "likelihood": likely}
            terminal.json({"seconds": round(seconds, 1), **results})
        terminal.note(f"everything worked, in {seconds:.0f} s")
        if not options.once:
            with server.serving(server.open_shop(state, SHOP, server.demo_files())) as address:
                demo.stay(address, user["user"], user["similar"][0]["itemId"])
    finally:
        lifecycle.down(home, terminal.step)


class Demo:
    """The steps of the demo on a running cloud."""

    def __init__(self, client: Client, data: DemoData, terminal: Terminal) -> None:
        self.client, self.data, self.terminal = client, data, terminal

    def fill(self) -> list[Run]:
        """Drop settings, then interactions, items and users at once; follow the run that handles them to its end."""
        with self.terminal.step("dropping settings.yaml: what the slots of the shop's pages show"):
            self.client.drop(SHOP, "settings", SETTINGS)
        self.terminal.heading("Three CSV files dropped into the bucket are one run of the state machine")
        uploads = []
        # The largest first: the others are there before the run looks for more files.
        for kind in ("interactions", "items", "users"):
            file = getattr(self.data, kind)
            with self.terminal.step(f"dropping {file.name}: {self.data.rows[kind]:,} rows"):
                uploads.append(self.client.drop(SHOP, kind, file))
        run = self.finish(uploads[0])
        handled = {dropped["key"] for dropped in run.output["drops"]}
        late = [self.finish(upload) for upload in uploads if upload.key not in handled]
        if run.output["outcome"] == "alreadyHandled":
            note = "an earlier demo has imported these files and trained on them: its release serves"
        else:
            note = f"from the drop to all campaigns ACTIVE: {run.seconds:.1f} s for {run.output['rows']:,} rows"
        self.terminal.note(note)
        return [run, *late]

    def finish(self, upload: Upload) -> Run:
        """Follow the run that an upload started to its end."""
        runs = self.client.runs
        run = runs.started_by(upload.key, upload.before)
        for moment in runs.follow(run.arn):
            self.terminal.moment(moment)
        run = runs.describe(run.arn)
        if run.status != "SUCCEEDED":
            raise LocalError(f"the run of {upload.key} ended {run.status}: {run.reason}")
        return run

    def show_user(self) -> dict[str, Any]:
        """Show a known user: their last purchases, their recommendations, and what is similar to the first of them."""
        client, terminal, user = self.client, self.terminal, sample_data.sample_shopper(self.data)
        terminal.heading(f"Household {user} and what it bought last")
        bought = sample_data.recent_purchases(self.data, user, 6)
        days = [datetime.fromtimestamp(each.timestamp, UTC).strftime("%d %b %Y") for each in bought]
        rows = [(day, each.name, f"{each.price:.2f}") for day, each in zip(days, bought, strict=True)]
        terminal.table(("bought", "item", "price#"), rows)
        recommended = client.recommend(SHOP, user, limit="10")
        terminal.heading(f"Ten recommendations for household {user}")
        terminal.items(some(recommended), "")
        again = client.recommend(SHOP, user, limit="10")
        terminal.note(f"the first answer had to start the function; asked again, it takes {again.milliseconds:.0f} ms")
        first = recommended.body["items"][0]
        terminal.heading(f"Similar to {item_name(first)}")
        similar = client.similar(SHOP, first["itemId"], limit="5")
        terminal.items(some(similar), "")
        body = {"placements": PAGE, "itemId": bought[0].item_id}
        page = client.ask("POST", f"/shops/{SHOP}/users/{user}/placements", body=body)
        slots = page.body["placements"]
        many = len({item["itemId"] for slot in slots for item in slot["items"]})
        text = f"{len(slots)} shelves of the shop's front page: {many} items, none twice"
        terminal.note(f"{text}, {page.milliseconds:.0f} ms")
        return {"user": user, "recommended": recommended.body["items"], "similar": similar.body["items"]}

    def show_newcomer(self, interests: Sequence[Item]) -> dict[str, Any]:
        """Show a new user, served from demographics at once, and from behaviour after three events."""
        client, terminal, profile = self.client, self.terminal, sample_data.cold_profile(self.data)
        user = f"new-{datetime.now(UTC):%H%M%S}"
        terminal.heading("A new shopper, of whom only demographics are known")
        terminal.note(", ".join(f"{column.replace('_', ' ').lower()} {value}" for column, value in profile.items()))
        client.ask("PUT", f"/shops/{SHOP}/users/{user}", body={"properties": profile})
        before = some(client.recommend(SHOP, user, limit="10"))
        stranger = some(client.recommend(SHOP, f"{user}-stranger", limit="10"))
        known = ids(before)
        terminal.note(f"{len(known - ids(stranger))} of the ten items differ from those of a stranger")
        interest = next(item for item in interests if item["itemId"] not in known)
        sent = [client.event(SHOP, user, interest["itemId"], kind, f"session-{user}") for kind in EVENTS]
        after = some(client.recommend(SHOP, user, limit="10"))
        terminal.heading(f"They view {item_name(interest)}, put it into the cart and buy it")
        old, new = before.body["items"], after.body["items"]
        rows = [
            (place, item_name(one), item_name(other), "" if other["itemId"] in known else "new")
            for place, (one, other) in enumerate(zip(old, new, strict=False), 1)
        ]
        terminal.table(("#", "before", "after", ""), rows)
        times = " + ".join(f"{answer.milliseconds:.0f}" for answer in sent)
        answers = f"answers in {before.milliseconds:.0f} ms before, {after.milliseconds:.0f} ms after"
        terminal.note(f"three events in {times} ms; {answers}")
        if [item["itemId"] for item in old] == [item["itemId"] for item in new]:
            raise LocalError(
                "the answer did not change after three events; see `python -m local logs RecordEventsFunction`"
            )
        return {"user": user, "before": old, "after": new}

    def show_likelihood(self, user: dict[str, Any], newcomer: str) -> Answer:
        """Show how likely the known user is to buy what was recommended, and an anonymous one."""
        names = {str(item["itemId"]): item_name(item) for item in user["recommended"][:4]}
        self.terminal.heading("How likely is it that they buy it within a week?")
        answer = self.likelihood(user["user"], list(names))
        self.terminal.likelihoods(answer, f"household {user['user']}", names)
        # Not the new user: the sample has no views, from which newcomers' likelihood is learned.
        self.terminal.likelihoods(self.likelihood(f"{newcomer}-stranger", list(names)), "somebody", names)
        return answer

    def likelihood(self, user: str, items: Sequence[str]) -> Answer:
        """Ask for probabilities until the fit that the run started is done, for FIT_SECONDS at most."""
        until = time.monotonic() + FIT_SECONDS
        while True:
            try:
                return self.client.likelihood(SHOP, user, items)
            except ApiError as error:
                if error.answer.status != 409 or time.monotonic() > until:
                    raise
            time.sleep(0.2)

    def stay(self, shop: str, user: str, item: str) -> None:
        """Print what to try next, in the shop at the address `shop` and with the API, then wait for Ctrl-C."""
        state = self.client.state
        base = f"{state.api}/shops/{SHOP}"
        curl = f"curl -s -H {shlex.quote('x-api-key: ' + state.key)}"
        event = {"userId": user, "sessionId": "s1", "events": [{"eventType": "View", "itemId": item}]}
        self.terminal.heading("It stays up until Ctrl-C. Try")
        self.terminal.line(f"the shop itself, in a browser: {shop}")
        self.terminal.line(f".venv/bin/python -m local recommend {SHOP} {user}")
        self.terminal.line(f"{curl} '{base}/popular?limit=3'")
        self.terminal.line(f"{curl} -d {shlex.quote(json.dumps(event))} {base}/events")
        self.terminal.line(f"{curl} '{base}/users/{user}/recommendations?limit=10'")
        with suppress(KeyboardInterrupt):
            signal.pause()


def some(answer: Answer) -> Answer:
    """Return the answer. Raises LocalError where it has no items."""
    if not answer.body.get("items"):
        raise LocalError("the API answered without items; see `python -m local logs GetRecommendationsFunction`")
    return answer


def ids(answer: Answer) -> set[str]:
    return {item["itemId"] for item in answer.body["items"]}
