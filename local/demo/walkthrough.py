# SPDX-License-Identifier: Apache-2.0
"""``make demo``: the main job on real data, from an empty machine to an answer that three events have changed."""

import fcntl
import json
import os
import shlex
import signal
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from personalization.core.names import Backend
from table_intake.wording import counted, fill

from local.cloud import lifecycle
from local.cloud.client import Answer, ApiError, Client, Upload, until
from local.cloud.environments import LOCAL, REPOSITORY, LocalError
from local.cloud.home import Home, State, running
from local.cloud.runs import Run
from local.demo import checks, experiment, sample_data
from local.demo.sample_data import DemoData
from local.experiments import telling
from local.experiments.running import Cloud
from local.storefront import server
from local.terminal.output import Terminal, item_name, run_json

SETTINGS = REPOSITORY / "storefront" / "settings.yaml"
"""The placements of the shop's pages."""
SHOPS = {"personalize": "demo", "engine": "demo-engine"}
"""The demo's shops by their backends: a cloud may have both."""
PAGE = ("home", "home-bought", "home-popular")
"""Those of its front page."""
EVENTS = ("View", "AddToCart", "Purchase")
SOON_SECONDS = 20.0
"""How long answers may lack something that a busy machine brings later, before the demo trains anew."""
LATE_SECONDS = 300.0
"""How long something that has to come may take, on the busiest machine."""

Item = dict[str, Any]


def main(options: Namespace, terminal: Terminal) -> None:
    """Run every step, show and check its result, then stay up until Ctrl-C; with ``--once`` stop at the end.

    A cloud that was up before stays up. Raises LocalError where something that the demo has to show is missing.
    """
    home = Home(options.run_dir)
    started = time.perf_counter()
    os.environ.setdefault(lifecycle.TIER, "standard")  # somebody watches, and these baskets gain nothing by a network
    with alone(home) as lock:
        stands = "as Amazon Personalize" if options.backend == "personalize" else "in its functions"
        terminal.heading(f"The shipped template on a local AWS, with the embedded engine {stands}")
        before = running(home)
        # A demo that was killed leaves its cloud up, which nobody else has asked for.
        stops = before is None or lock.read() == processes(before)
        state, notes = lifecycle.up(home, terminal.step)
        try:
            if stops:
                lock.seek(0)
                lock.truncate()
                lock.write(processes(state))
                lock.flush()
            for note in notes:
                terminal.note(note)
            terminal.note(f"watch it on one page: {state.page}")
            with terminal.step("preparing the sample data: groceries, simulated after real shopping patterns"):
                data = sample_data.prepare(LOCAL / "demo")
            demo = Demo(Client(state), data, terminal, SHOPS[options.backend], backend=options.backend)
            results = demo.play()
            seconds = time.perf_counter() - started
            if terminal.as_json:
                terminal.json({"seconds": round(seconds, 1), **results})
            terminal.note(f"everything worked, in {seconds:.0f} s")
            if not options.once:
                with server.serving(server.open_shop(state, demo.shop)) as address:
                    demo.stay(address, results["shopper"]["user"], results["shopper"]["similar"][0]["itemId"])
        finally:
            if stops:
                with lifecycle.uninterrupted():
                    lifecycle.down(home, terminal.step)
            else:
                terminal.note("the local cloud stays up, as it was before the demo")


@contextmanager
def alone(home: Home) -> Iterator[IO[str]]:
    """Let one demo at a time use a cloud. The file says which processes an earlier one has started."""
    home.run.mkdir(parents=True, exist_ok=True)
    with (home.run / "demo").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalError(
                "a demo is running on this cloud already, and its own terminal shows what to try: end that one first,"
                " or play a second one beside it with `python -m local demo --run-dir DIR`"
            ) from None
        lock.seek(0)
        yield lock


def processes(state: State) -> str:
    """Return a text that names the processes of a cloud, and no later ones."""
    return " ".join(f"{process.pid}:{process.started}" for process in state.processes)


@dataclass(frozen=True, slots=True)
class Lists:
    """What the trained shop answers: a household, and a newcomer of whom only demographics are known."""

    recommended: Answer
    similar: Answer
    newcomer: Answer
    stranger: Answer
    """A list for somebody of whom nothing is known."""


@dataclass
class Demo:
    """The steps of the demo on a running cloud."""

    client: Client
    data: DemoData
    terminal: Terminal
    shop: str = SHOPS["personalize"]
    newcomer: str = field(default_factory=lambda: f"new-{datetime.now(UTC):%H%M%S}")
    patience: float = SOON_SECONDS
    """Seconds for which answers may lack something before the demo trains anew."""
    backend: Backend = "personalize"
    """Who trains and answers."""

    @cached_property
    def household(self) -> str:
        """A user with a rich history."""
        return sample_data.sample_shopper(self.data)

    @cached_property
    def profile(self) -> dict[str, str]:
        """The demographics of the newcomer."""
        return sample_data.cold_profile(self.data)

    def play(self) -> dict[str, Any]:
        """Fill the shop, show what it answers, and return that. Raises LocalError where something is missing."""
        runs = self.fill()
        lists = self.complete(runs)
        shopper = self.show_user(lists)
        newcomer = self.show_newcomer(lists)
        likely = self.show_likelihood(shopper["recommended"])
        verdict = self.show_experiment()
        self.check(self.reports())
        return {
            "runs": [run_json(run) for run in runs],
            "shopper": shopper,
            "newcomer": newcomer,
            "likelihood": likely.body,
            "experiment": verdict,
        }

    def check(self, missing: Sequence[str]) -> None:
        """Raise LocalError if something is missing, with what to do about it."""
        if missing:
            raise LocalError(
                "\n".join(
                    [
                        "the demo does not show what it should:",
                        *(f"  - {sentence}" for sentence in missing),
                        f"`python -m local runs {self.shop}` says how the runs ended, and `python -m local logs` lists"
                        " the logs. `make demo` once more trains anew what lacks something; `python -m local demo"
                        " --run-dir DIR` begins with an empty cloud, and leaves this one as it is.",
                    ]
                )
            )

    def fill(self) -> list[Run]:
        """Drop settings and the three files, and follow the runs that handle them to their ends."""
        with self.terminal.step("dropping settings.yaml: what the slots of the shop's pages show"):
            self.client.drop(self.shop, "settings", self.settings())
        self.terminal.heading("Three CSV files dropped into the bucket, interactions last: they begin the training")
        runs: list[Run] = []
        dropped = datetime.now(UTC)
        uploads = self.drop_files()
        # An interrupted demo may have left a run that is still at work.
        with self.terminal.step("waiting for the run that takes them up"):
            self.client.runs.started_by(uploads[0].key, uploads[0].before)
        for upload in uploads:
            run = self.client.runs.started_by(upload.key, upload.before)
            if run.arn not in {earlier.arn for earlier in runs}:
                runs.append(self.finish(run, upload.key))
        outcome, rows = runs[-1].output["outcome"], self.data.rows["interactions"]
        if outcome == "promoted":
            seconds = ((runs[-1].ended or datetime.now(UTC)) - dropped).total_seconds()
            served = f"{seconds:.1f} s for {counted(rows, 'row')}"
            self.terminal.note(f"from the first drop to all campaigns ACTIVE: {served}")
        elif outcome == "alreadyHandled":
            self.terminal.note("an earlier demo has imported these files and trained on them: its release serves")
        return runs

    def settings(self) -> Path:
        """Return the file of the shop's settings, with its backend if that is not the usual one."""
        if self.backend == "personalize":
            return SETTINGS
        chosen = LOCAL / "demo" / self.backend / SETTINGS.name
        chosen.parent.mkdir(parents=True, exist_ok=True)
        chosen.write_text(f"backend: {self.backend}\n{SETTINGS.read_text()}")
        return chosen

    def drop_files(self) -> list[Upload]:
        """Drop items and users, and interactions when those are claimed: no training lacks items or users."""
        first, last = {"items": self.data.items, "users": self.data.users}, self.data.interactions
        sizes = {kind: counted(self.data.rows[kind], "row") for kind in (*first, "interactions")}
        names = ", ".join(f"{path.name} ({sizes[kind]})" for kind, path in first.items())
        with self.terminal.step(f"dropping {names}, and {last.name} ({sizes['interactions']}) once both are noted"):
            return self.client.drop_last(
                self.shop,
                "interactions",
                last,
                lambda: [self.client.drop(self.shop, kind, path) for kind, path in first.items()],
            )

    def finish(self, run: Run, what: str) -> Run:
        """Follow a run to its end. Raises LocalError if it fails."""
        for moment in self.client.runs.follow(run.arn):
            self.terminal.moment(moment)
        run = self.client.runs.describe(run.arn)
        if run.status != "SUCCEEDED":
            raise LocalError(f"the run of {what} ended {run.status}: {run.reason}")
        return run

    def complete(self, runs: list[Run]) -> Lists:
        """Return the lists that the demo shows; train anew if they lack what a training without all files lacks."""
        lists, missing = self.lists(self.patience)
        if missing:
            self.terminal.heading("What serves was trained without some of the files, so it is trained anew")
            for sentence in missing:
                self.terminal.note(sentence)
            retraining = self.client.runs.start(self.shop, "retrain")
            runs.append(self.finish(self.client.runs.handling(retraining), "the retraining"))
            lists, missing = self.lists(LATE_SECONDS)
        self.check(missing)
        return lists

    def lists(self, seconds: float) -> tuple[Lists, list[str]]:
        """Ask for the lists until they have all that they should, for `seconds` at most; return what is missing."""
        user, somebody = self.newcomer, f"{self.newcomer}-stranger"
        self.client.ask("PUT", f"/shops/{self.shop}/users/{user}", body={"properties": self.profile})

        def ask() -> tuple[Lists, list[str]]:
            try:
                recommended = some(self.client.recommend(self.shop, self.household, limit="10"))
                first = recommended.body["items"][0]["itemId"]
                lists = Lists(
                    recommended,
                    some(self.client.similar(self.shop, first, limit="5")),
                    some(self.client.recommend(self.shop, user, limit="10")),
                    some(self.client.recommend(self.shop, somebody, limit="10")),
                )
            except ApiError as error:
                if error.answer.status != 404:
                    raise
                return Lists(*[error.answer] * 4), [str(error)]
            untrained = [f"what serves was trained without {kind}" for kind in self.client.untrained(self.shop)]
            return lists, [*untrained, *self.lacking(lists)]

        return until(ask, lambda answer: not answer[1], seconds)

    def lacking(self, lists: Lists) -> Iterator[str]:
        """Return what lists lack that only a training on all three files gives."""
        household, newcomer, stranger = f"the list of household {self.household}", "the newcomer's list", "a stranger's"
        recommended, before = lists.recommended.body["items"], lists.newcomer.body["items"]
        yield from checks.whole(household, recommended, 10)
        yield from checks.personal(household, recommended)
        yield from checks.whole("the list of similar items", lists.similar.body["items"], 5)
        yield from checks.whole(newcomer, before, 10)
        yield from checks.personal(newcomer, before)
        yield from checks.differs(f"{newcomer}, by demographics,", before, stranger, lists.stranger.body["items"])

    def show_user(self, lists: Lists) -> dict[str, Any]:
        """Show a known user: their last purchases, their recommendations, and what is similar to the first of them."""
        client, terminal, user = self.client, self.terminal, self.household
        terminal.heading(f"Household {user} and what it bought last")
        bought = sample_data.recent_purchases(self.data, user, 6)
        days = [datetime.fromtimestamp(purchase.timestamp, UTC).strftime("%d %b %Y") for purchase in bought]
        rows = [(day, purchase.name, f"{purchase.price:.2f}") for day, purchase in zip(days, bought, strict=True)]
        terminal.table(("bought", "item", "price#"), rows)
        terminal.heading(f"Ten recommendations for household {user}")
        terminal.items(lists.recommended, "")
        again = client.recommend(self.shop, user, limit="10")
        terminal.note(f"the first answer had to start the function; asked again, it takes {again.milliseconds:.0f} ms")
        terminal.heading(f"Similar to {item_name(lists.recommended.body['items'][0])}")
        terminal.items(lists.similar, "")
        body = {"placements": PAGE, "itemId": bought[0].item_id}
        page = client.ask("POST", f"/shops/{self.shop}/users/{user}/placements", body=body)
        slots = page.body["placements"]
        shown = [item["itemId"] for slot in slots for item in slot["items"]]
        twice = len(shown) - len(set(shown))
        self.check([f"the shop's front page shows {counted(twice, 'item')} twice"] * bool(twice))
        shelves, items = counted(len(slots), "shelf", "shelves"), counted(len(shown), "item")
        text = f"{shelves} of the shop's front page: {items}, none twice"
        terminal.note(f"{text}, {page.milliseconds:.0f} ms")
        recommended, similar = lists.recommended.body["items"], lists.similar.body["items"]
        return {"user": user, "recommended": recommended, "similar": similar}

    def show_newcomer(self, lists: Lists) -> dict[str, Any]:
        """Show a new user, served from demographics at once, and from behaviour after three events."""
        client, terminal, user = self.client, self.terminal, self.newcomer
        terminal.heading("A new user, known by demographics only")
        profile = [f"{column.replace('_', ' ').lower()} {value}" for column, value in self.profile.items()]
        terminal.note(", ".join(profile))
        before = some(client.recommend(self.shop, user, limit="10"))
        known_ids = ids(before)
        others = len(known_ids - ids(lists.stranger))
        differ = "{count} of the ten items {count:differs|differ} from those of a stranger"
        terminal.note(fill(differ, count=others))
        interest = next(item for item in lists.similar.body["items"] if item["itemId"] not in known_ids)
        sent = [client.event(self.shop, user, interest["itemId"], kind, f"session-{user}") for kind in EVENTS]
        # On a busy machine events may go through the queue, and count some seconds later.
        after = until(
            lambda: some(client.recommend(self.shop, user, limit="10")),
            lambda answer: not list(checks.differs("", answer.body["items"], "", before.body["items"])),
            LATE_SECONDS,
        )
        terminal.heading(f"They view {item_name(interest)}, put it into the cart and buy it")
        old, new = before.body["items"], after.body["items"]
        rows = [
            (rank, item_name(item), item_name(other), "" if other["itemId"] in known_ids else "new")
            for rank, (item, other) in enumerate(zip(old, new, strict=False), 1)
        ]
        terminal.table(("#", "before", "after", ""), rows)
        times = " + ".join(f"{answer.milliseconds:.0f}" for answer in sent)
        answers = f"answers in {before.milliseconds:.0f} ms before, {after.milliseconds:.0f} ms after"
        terminal.note(f"three events in {times} ms; {answers}")
        list_ = "the newcomer's list after three events"
        self.check([*checks.differs(list_, new, "that before them", old), *checks.whole(list_, new, 10)])
        return {"user": user, "before": old, "after": new}

    def show_likelihood(self, recommended: Sequence[Item]) -> Answer:
        """Show how likely the known user is to buy what was recommended, and an anonymous one."""
        names = {str(item["itemId"]): item_name(item) for item in recommended[:4]}
        self.terminal.heading("How likely is it that they buy it within a week?")
        household, somebody = f"household {self.household}", "somebody"
        answer = self.likelihood(self.household, list(names))
        self.terminal.likelihoods(answer, household, names)
        # Not the new user: the sample has no views, from which newcomers' likelihood is learned.
        other = self.likelihood(f"{self.newcomer}-stranger", list(names))
        self.terminal.likelihoods(other, somebody, names)
        answers = ((household, answer), (somebody, other))
        missing = [
            sentence
            for who, said in answers
            for sentence in checks.probabilities(f"the likelihood of {who}", said.body["items"])
        ]
        self.check(missing)
        return answer

    def likelihood(self, user: str, items: Sequence[str]) -> Answer:
        """Ask for probabilities, once there is a fit: the run's, or a new one if that ended without.

        Raises LocalError where none is made.
        """

        def ask() -> Answer | None:
            try:
                return self.client.likelihood(self.shop, user, items)
            except ApiError as error:
                if error.answer.status != 409:
                    raise
                return None

        if answer := ask():
            return answer
        with self.terminal.step("waiting for the fit of the purchase likelihood"):
            why = self.client.runs.fitted(self.shop, self.release_run())
            # The API may remember for some seconds that there was none.
            answer = until(ask, bool, SOON_SECONDS)
        if answer is None:
            raise LocalError(f"the purchase likelihood was not fitted: {why or 'the API does not know of its fit'}")
        return answer

    def show_experiment(self) -> str:
        """Show what an experiment of four weeks would say, of simulated users, and return its verdict's state."""
        self.terminal.heading(f"What an experiment says after four weeks, with {experiment.USERS:,} simulated users")
        self.terminal.note(f"half of them get bestsellers; own lists bring {experiment.LIFT:.0%} more orders by design")
        with self.terminal.step("simulating what they see and buy"):
            experiment.store(Cloud(self.client.state), self.shop, datetime.now(UTC))
        reports = telling.analysed(self.client.state, self.shop, [experiment.NAME], self.terminal)
        telling.show(reports, self.terminal)
        verdict = reports[experiment.NAME]["verdict"]["state"]
        self.check(checks.verdict(verdict))
        return str(verdict)

    def reports(self) -> list[str]:
        """Return what the reports of the run that serves lack."""
        pages, names = self.client.pages(self.shop, self.release_run()), sample_data.item_names(self.data)
        if "release.html" not in pages:
            return [f"the run that serves wrote no report of the release; it wrote {', '.join(pages) or 'none'}"]
        return [sentence for page, html in pages.items() for sentence in checks.named(page, html, names)]

    def release_run(self) -> str:
        """Return the run whose release serves."""
        return next(str(record["run"]) for record in self.client.shops() if record["shop"] == self.shop)

    def stay(self, shop: str, user: str, item: str) -> None:
        """Print what to try next, in the shop at the address `shop` and with the API, then wait for Ctrl-C."""
        state = self.client.state
        base = f"{state.api}/shops/{self.shop}"
        curl = f"curl -s -H {shlex.quote('x-api-key: ' + state.key)}"
        event = {"userId": user, "sessionId": "s1", "events": [{"eventType": "View", "itemId": item}]}
        self.terminal.heading("It stays up until Ctrl-C. Try")
        self.terminal.line(f"the shop itself, in a browser: {shop}")
        self.terminal.line(f".venv/bin/python -m local recommend {self.shop} {user}")
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
