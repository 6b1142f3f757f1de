# SPDX-License-Identifier: Apache-2.0
"""The commands of ``python -m local``, one function each, named as typed; a number is an exit code."""

import importlib
import shlex
import time
from argparse import Namespace

import psutil
import urllib3

from local.cli import log_lines, removals, reports
from local.cloud import dead_letters, environments, lifecycle, login, resuming, saved
from local.cloud.client import Answer, Client, checked_key
from local.cloud.environments import LocalError
from local.cloud.home import Home, NotRunningError, State, client_environment, require, running
from local.cloud.runs import Run
from local.terminal.output import Terminal, run_json


def setup(_options: Namespace, terminal: Terminal) -> None:
    """Make the environments."""
    for note in environments.ensure(terminal.step):
        terminal.note(note)
    if terminal.as_json:
        terminal.json({"python": environments.python_runtime()})


def up(options: Namespace, terminal: Terminal) -> None:
    """Start the cloud."""
    ports = {"cloud_port": options.cloud_port, "engine_port": options.engine_port}
    state, notes = lifecycle.up(
        Home(options.run_dir), terminal.step, **ports, fresh=options.fresh, faults=options.faults
    )
    for note in notes:
        terminal.note(note)
    show_status(state, terminal)


def down(options: Namespace, terminal: Terminal) -> None:
    """Stop the cloud."""
    home = Home(options.run_dir)
    stopped = lifecycle.down(home, terminal.step, wipe=options.wipe)
    if stopped and not saved.closed(home.saved):
        terminal.note(
            f"the state at the end could not be saved ({home.log('cloud')} says why): the next `up` goes on from the"
            " state before it and from the journal"
        )
    if terminal.as_json:
        terminal.json({"stopped": stopped})
    elif not stopped:
        terminal.note("nothing was running")


def status(options: Namespace, terminal: Terminal) -> int:
    """Show what runs."""
    home = Home(options.run_dir)
    state = running(home)
    if state is not None:
        show_status(state, terminal)
        return 0
    if terminal.as_json:
        terminal.json({"running": False})
        return NotRunningError.code
    raise NotRunningError


def env(options: Namespace, terminal: Terminal) -> None:
    """Print what points AWS's tools at the cloud, for a shell to take in."""
    told = client_environment(require(Home(options.run_dir)))
    if terminal.as_json:
        terminal.json(told)
        return
    for name, value in told.items():
        terminal.line(f"export {name}={shlex.quote(value)}")


def show_status(state: State, terminal: Terminal) -> None:
    """The addresses, the memory and the shops of a running cloud."""
    shops = Client(state).shops()
    memory = {process.name: megabytes(process.pid) for process in state.processes}
    if failure := resuming.failure(state):
        terminal.note(f"the local AWS cannot save its state: {failure}")
    if terminal.as_json:
        terminal.json(
            {
                "running": True,
                "api": {"url": state.api, "key": state.key},
                "browserApi": {"url": state.browser_api},
                "bucket": state.outputs["BucketName"],
                "engine": state.engine,
                "endpoint": state.endpoint,
                "shops": shops,
                "memoryMegabytes": memory,
            }
        )
        return
    rows = [
        ("API", state.api),
        ("API key", state.key),
        ("bucket", state.outputs["BucketName"]),
        ("engine", state.engine),
        ("local AWS", state.endpoint),
        ("memory", ", ".join(f"{name} {size} MB" for name, size in memory.items())),
        (
            "shops",
            ", ".join(str(shop["shop"]) for shop in shops) or "none yet: python -m local drop SHOP interactions FILE",
        ),
    ]
    terminal.table(("", ""), rows)


def megabytes(pid: int) -> int:
    """Resident memory of a process and its descendants."""
    sizes = []
    for member in lifecycle.family_of(pid):
        try:
            sizes.append(member.memory_info().rss)
        except psutil.NoSuchProcess:
            continue
    return round(sum(sizes) / 2**20)


def client(options: Namespace) -> Client:
    """The client of the running cloud."""
    return Client(require(Home(options.run_dir)))


def drop(options: Namespace, terminal: Terminal) -> int:
    """Upload files, and follow what they start."""
    cloud_client, results, failed = client(options), [], False
    for file in options.files:
        checked_key(options.shop, options.kind, file, incremental=options.incremental)
    for file in options.files:
        with terminal.step(f"uploading {file.name}"):
            upload = cloud_client.drop(options.shop, options.kind, file, incremental=options.incremental)
        result: dict[str, object] = {"bucket": cloud_client.state.outputs["BucketName"], "key": upload.key}
        if options.watch:
            run = watch(cloud_client, cloud_client.runs.started_by(upload.key, upload.before), terminal)
            failed = failed or run.status != "SUCCEEDED"
            result["run"] = run_json(run)
        results.append(result)
    if terminal.as_json:
        terminal.json(results)
    elif not options.watch:
        terminal.note(f"follow it: python -m local runs {options.shop} --watch")
    return int(failed)


def runs(options: Namespace, terminal: Terminal) -> int:
    """List the runs of a shop, or follow the newest."""
    cloud_client = client(options)
    found = cloud_client.runs.newest(options.shop, 1 if options.watch else options.limit)
    if not found:
        raise LocalError(
            f"{options.shop} has no runs: drop a file with `python -m local drop {options.shop} KIND FILE`"
        )
    if options.watch:
        run = watch(cloud_client, cloud_client.runs.handling(found[0]), terminal)
        if terminal.as_json:
            terminal.json(run_json(run))
        return int(run.status != "SUCCEEDED")
    if terminal.as_json:
        terminal.json([run_json(run) for run in found])
    else:
        terminal.runs(found)
    return 0


def report(options: Namespace, terminal: Terminal) -> None:
    """Fetch the pages about a run."""
    reports.fetch(client(options).state, options, terminal)


def teardown(options: Namespace, terminal: Terminal) -> int:
    """Remove a shop, or list what that would remove."""
    return removals.remove(removals.Removals(client(options).state), options, terminal)


def watch(cloud_client: Client, run: Run, terminal: Terminal) -> Run:
    """Follow a run to its end and say what came of it."""
    with terminal.story(run) as tell:
        for moment in cloud_client.runs.follow(run.arn):
            tell(moment)
    run = cloud_client.runs.describe(run.arn)
    if not terminal.as_json:
        terminal.runs([run])
        papers = cloud_client.papers(run)
        for address in papers:
            terminal.note(address)
        if any(address.endswith(".html") for address in papers):
            terminal.note(f"fetch the pages: python -m local report {run.shop} {run.name}")
    return run


def rollback(options: Namespace, terminal: Terminal) -> int:
    """Return a shop's campaigns to the release before."""
    return acted(options, terminal, client(options), "rollback")


def promote(options: Namespace, terminal: Terminal) -> int:
    """Promote what the gate refused."""
    more = {"run": options.run} if options.run else {}
    return acted(options, terminal, client(options), "promote", **more)


def acted(options: Namespace, terminal: Terminal, cloud_client: Client, action: str, **more: str) -> int:
    """Start a run by hand and follow it to its end."""
    run = watch(cloud_client, cloud_client.runs.start(options.shop, action, **more), terminal)
    if terminal.as_json:
        terminal.json(run_json(run))
    return int(run.status != "SUCCEEDED")


def recommend(options: Namespace, terminal: Terminal) -> None:
    """Ask for a user's items."""
    query = {"limit": str(options.limit)} | ({"filter": options.filter} if options.filter else {})
    query |= {f"filterValues.{key}": value for key, value in options.value}
    query |= {f"context.{key}": value for key, value in options.context}
    show(client(options).recommend(options.shop, options.user, **query), f"for {options.user}", terminal)


def similar(options: Namespace, terminal: Terminal) -> None:
    """Ask for similar items."""
    show(
        client(options).similar(options.shop, options.item, limit=str(options.limit)),
        f"similar to {options.item}",
        terminal,
    )


def popular(options: Namespace, terminal: Terminal) -> None:
    """Ask for popular items."""
    show(client(options).popular(options.shop, limit=str(options.limit)), "popular", terminal)


def ranking(options: Namespace, terminal: Terminal) -> None:
    """Ask for an order of items."""
    show(client(options).ranking(options.shop, options.user, options.items), f"ranked for {options.user}", terminal)


def likelihood(options: Namespace, terminal: Terminal) -> None:
    """Ask how likely purchases are."""
    context = {f"context.{key}": value for key, value in options.context}
    answer = client(options).likelihood(options.shop, options.user, options.items, **context)
    if terminal.as_json:
        terminal.json(answer.body | {"milliseconds": round(answer.milliseconds, 1)})
    else:
        terminal.likelihoods(answer, options.user)


def show(answer: Answer, title: str, terminal: Terminal) -> None:
    """Items of an answer."""
    if terminal.as_json:
        terminal.json(answer.body | {"milliseconds": round(answer.milliseconds, 1)})
    else:
        terminal.items(answer, title)


def event(options: Namespace, terminal: Terminal) -> None:
    """Send one event."""
    answer = client(options).event(options.shop, options.user, options.item, options.type, options.session)
    if terminal.as_json:
        terminal.json(answer.body | {"milliseconds": round(answer.milliseconds, 1)})
    else:
        accepted = answer.body.get("accepted")
        terminal.line(f"{accepted} event accepted in {answer.milliseconds:.1f} ms")


def token(options: Namespace, terminal: Terminal) -> None:
    """Print the token of a visitor's session, or of a shopper's."""
    home = Home(options.run_dir)
    state = require(home)
    asked = {"userToken": login.user_token(home, state, options.user, time.time())} if options.user else {}
    answer = urllib3.request("POST", f"{state.browser_api}/shops/{options.shop}/sessions", json=asked, retries=False)
    told = answer.json()
    if answer.status != 201:
        raise LocalError(f"{answer.status} {told.get('detail')}")
    if terminal.as_json:
        terminal.json({"url": state.browser_api, **told})
    else:
        terminal.line(told["token"])


def replay(options: Namespace, terminal: Terminal) -> None:
    """Bring dead letters back."""
    reasons = dead_letters.replay(client(options).state)
    if terminal.as_json:
        terminal.json({"replayed": reasons.total(), "reasons": reasons})
    elif reasons:
        terminal.table(("messages", "why they were dead"), [(str(many), why) for why, many in reasons.items()])
    else:
        terminal.note("there are no dead letters")


def logs(options: Namespace, terminal: Terminal) -> None:
    """Show a log, or which there are."""
    log_lines.show(options, terminal)


def evaluate(options: Namespace, terminal: Terminal) -> None:
    """Evaluate files."""
    importlib.import_module("local.evaluation.command").main(options, terminal)


def demo(options: Namespace, terminal: Terminal) -> int:
    """Run the demo."""
    code: int = importlib.import_module("local.demo.walkthrough").main(options, terminal)
    return code


def shopfront(options: Namespace, terminal: Terminal) -> None:
    """Serve the demo shop."""
    importlib.import_module("local.shopfront.server").main(options, terminal)


def publish(options: Namespace, terminal: Terminal) -> None:
    """Put the demo shop into a stack's bucket."""
    importlib.import_module("local.shopfront.publishing").main(options, terminal)
