# SPDX-License-Identifier: Apache-2.0
"""The commands of ``python -m local``, one function each, named as typed; a number is an exit code."""

import collections
import os
import shlex
import sys
import time
import webbrowser
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import boto3
import psutil
import urllib3
from personalization.shop.keys import EXPORT, SETTINGS_FILES
from table_intake.wording import counted

from local.cloud import by_hand, environments, lifecycle, login, resuming, saved
from local.cloud.client import Answer, Client, Upload, drop_key
from local.cloud.environments import LocalError
from local.cloud.home import Home, NotRunningError, State, access, client_environment, require, running
from local.cloud.runs import Run
from local.terminal.output import Terminal, run_json


def setup(_options: Namespace, terminal: Terminal) -> None:
    for note in environments.ensure(terminal.step):
        terminal.note(note)
    if terminal.as_json:
        terminal.json({"python": environments.python_runtime()})


def up(options: Namespace, terminal: Terminal) -> None:
    ports = lifecycle.Ports(options.cloud_port, options.engine_port, options.watch_port)
    home = Home(options.run_dir)
    if options.function_slots is not None:
        os.environ[lifecycle.SLOTS] = str(options.function_slots)
    state, notes = lifecycle.up(home, terminal.step, wanted=ports, fresh=options.fresh, faults=options.faults)
    for note in notes:
        terminal.note(note)
    show_status(state, terminal)


def down(options: Namespace, terminal: Terminal) -> None:
    home = Home(options.run_dir)
    stopped = lifecycle.down(home, terminal.step, wipe=options.wipe)
    if stopped and not saved.closed(home.saved):
        terminal.note(
            f"the last state could not be saved ({home.log('cloud')} says why): the next `up` goes on from the one"
            " before and the journal"
        )
    if terminal.as_json:
        terminal.json({"stopped": stopped})
    elif not stopped:
        terminal.note("nothing was running")


def status(options: Namespace, terminal: Terminal) -> int:
    state = running(Home(options.run_dir))
    if state is not None:
        show_status(state, terminal)
        return 0
    if terminal.as_json:
        terminal.json({"running": False})
        return NotRunningError.code
    raise NotRunningError


def open_page(options: Namespace, terminal: Terminal) -> None:
    """Open the watch page in the browser, and print its address; start its server where it has died."""
    home = Home(options.run_dir)
    with home.locked():
        state = lifecycle.watched(home, require(home), options.port)
    if notes := lifecycle.unseen(home, state):
        raise LocalError(notes[0])
    if terminal.as_json:
        terminal.json({"url": state.page})
        return
    terminal.line(state.page)
    # Without a screen, a text browser would take the terminal.
    has_screen = sys.platform == "darwin" or any(map(os.environ.get, ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")))
    if not has_screen or not webbrowser.open(state.page):
        terminal.note("no browser opened: open this address in one, on this machine")


def env(options: Namespace, terminal: Terminal) -> None:
    """Print the variables that point AWS's tools at the cloud, for a shell to evaluate."""
    variables = client_environment(require(Home(options.run_dir)))
    exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    terminal.result(variables, lambda: terminal.line("\n".join(exports)))


def show_status(state: State, terminal: Terminal) -> None:
    shops = Client(state).shops()
    processes = [*state.processes, *([state.watch.process] if state.watch else [])]
    memory = {process.name: megabytes(process.pid) for process in processes}
    if failure := resuming.failure(state):
        terminal.note(f"the local AWS cannot save its state: {failure}")
    document = {
        "running": True,
        "api": {"url": state.api, "key": state.key},
        "browserApi": {"url": state.browser_api},
        "bucket": state.outputs["BucketName"],
        "engine": state.engine,
        "endpoint": state.endpoint,
        "watch": {"url": state.page},
        "docs": state.docs,
        "shops": shops,
        "memoryMegabytes": memory,
    }
    names = ", ".join(str(shop["shop"]) for shop in shops)
    rows = [
        ("API", state.api),
        ("API key", state.key),
        ("bucket", state.outputs["BucketName"]),
        ("engine", state.engine),
        ("local AWS", state.endpoint),
        ("watch page", state.page),
        ("documentation", state.docs),
        ("memory", ", ".join(f"{name} {size} MB" for name, size in memory.items())),
        ("shops", names or "none yet: python -m local drop SHOP interactions FILE"),
    ]
    terminal.result(document, lambda: terminal.table(("", ""), rows))


def megabytes(pid: int) -> int:
    """Return the resident memory of a process and its descendants."""
    sizes = []
    for member in lifecycle.family_of(pid):
        try:
            sizes.append(member.memory_info().rss)
        except psutil.NoSuchProcess:
            continue
    return round(sum(sizes) / 2**20)


def client(options: Namespace) -> Client:
    return Client(require(Home(options.run_dir)))


def drop(options: Namespace, terminal: Terminal) -> int:
    from local.start.files import several_tables  # noqa: PLC0415 - only this command reads tables

    cloud, results, failed = client(options), [], False
    if options.settings:
        drop_key(options.shop, "settings", options.settings)
    if options.kind == EXPORT and options.incremental:
        raise LocalError("an export replaces what was there before: leave --incremental out")
    for file in options.files:
        drop_key(options.shop, options.kind, file, incremental=options.incremental)
        if hint := several_tables(file):
            terminal.note(hint)
    if options.settings:
        with terminal.step(f"uploading {options.settings.name}"):
            cloud.drop(options.shop, "settings", options.settings)
    for file in options.files:
        upload = _upload(cloud, options, file, terminal)
        result: dict[str, object] = {"bucket": cloud.state.outputs["BucketName"], "key": upload.key}
        if options.watch:
            run = watch(cloud, cloud.runs.started_by(upload.key, upload.before), terminal)
            if joined := [key for drop in run.output.get("drops") or () for key in drop.get("joined") or ()]:
                terminal.note(f"joined, and dropped as {', '.join(joined)}")
                run = watch(cloud, cloud.runs.started_by(joined[-1], upload.before), terminal)
            failed = failed or run.status != "SUCCEEDED"
            result["run"] = run_json(run)
        results.append(result)
    if terminal.as_json:
        terminal.json(results)
    elif not options.watch:
        terminal.note(f"follow it: python -m local runs {options.shop} --watch")
    return int(failed)


def _upload(cloud: Client, options: Namespace, file: Path, terminal: Terminal) -> Upload:
    """Upload a file, or the parts of a folder and then their marker."""
    if not file.is_dir():
        with terminal.step(f"uploading {file.name}"):
            return cloud.drop(options.shop, options.kind, file, incremental=options.incremental)
    with terminal.bar() as tell:
        upload = cloud.drop(options.shop, options.kind, file, incremental=options.incremental, tell=tell)
    inside = [name for name in SETTINGS_FILES if (file / name).exists()]
    if options.kind == EXPORT and inside and not options.settings:
        terminal.note(f"{inside[0]} in {file.name} was not uploaded: settings are dropped with --settings")
    terminal.note(f"uploaded the parts of {file.name}, and {upload.key.rpartition('/')[2]} after them")
    return upload


def runs(options: Namespace, terminal: Terminal) -> int:
    cloud = client(options)
    newest_runs = cloud.runs.newest(options.shop, 1 if options.watch else options.limit)
    if not newest_runs:
        hint = f"drop a file with `python -m local drop {options.shop} KIND FILE`"
        raise LocalError(f"{options.shop} has no runs: {hint}")
    if options.watch:
        return followed(cloud, cloud.runs.handling(newest_runs[0]), terminal)
    terminal.result([run_json(run) for run in newest_runs], lambda: terminal.runs(newest_runs))
    return 0


def watch(cloud: Client, run: Run, terminal: Terminal) -> Run:
    run = terminal.ended(cloud.runs, run)
    if not terminal.as_json:
        terminal.runs([run])
        papers = cloud.papers(run)
        for address in papers:
            terminal.note(address)
        if any(address.endswith(".html") for address in papers):
            terminal.note(f"fetch the pages: python -m local report {run.shop} {run.name}")
    return run


def followed(cloud: Client, run: Run, terminal: Terminal) -> int:
    run = watch(cloud, run, terminal)
    if terminal.as_json:
        terminal.json(run_json(run))
    return int(run.status != "SUCCEEDED")


def report(options: Namespace, terminal: Terminal) -> None:
    """Download the pages of the newest run that wrote any, or of one run, and print where they are."""
    state = require(Home(options.run_dir))
    s3 = boto3.client("s3", **access(state))
    bucket, prefix = state.outputs["BucketName"], f"reports/{options.shop}/{f'{options.run}/' if options.run else ''}"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    pages_of_runs = [
        content for page in pages for content in page.get("Contents", []) if content["Key"].endswith(".html")
    ]
    if not pages_of_runs:
        raise LocalError(f"there are no reports of {options.run or options.shop}; a run writes them as it goes")
    newest = max(pages_of_runs, key=lambda content: content["LastModified"])["Key"].rpartition("/")[0]
    fetched = []
    for key in sorted(content["Key"] for content in pages_of_runs if content["Key"].startswith(f"{newest}/")):
        path = Path(options.run_dir) / key
        path.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, key, str(path))
        fetched.append({"key": f"s3://{bucket}/{key}", "path": str(path.resolve())})
    terminal.result(fetched, lambda: terminal.line("\n".join(page["path"] for page in fetched)))


def batch(options: Namespace, terminal: Terminal) -> int:
    """Run a batch job, download its export, and show its first rows."""
    exported, paths = fetched_export(options, terminal, options.job)
    terminal.result({**exported, "paths": paths}, lambda: terminal.export(exported, paths))
    return 0


def fetched_export(
    options: Namespace, terminal: Terminal, job: str, items: Sequence[str] = ()
) -> tuple[Mapping[str, Any], list[str]]:
    """Run a batch job to its end, and return what it announces and the downloaded files."""
    cloud = client(options)
    run = terminal.ended(cloud.runs, cloud.runs.start_batch(options.shop, job, items))
    exported = next(iter(run.output.get("exported", ())), None)
    if exported is None:
        raise LocalError(f"nothing was exported: {run.reason or run.status}")
    s3, bucket = boto3.client("s3", **access(cloud.state)), cloud.state.outputs["BucketName"]
    prefix = str(exported["folder"]).removeprefix(f"s3://{bucket}/")
    paths = []
    for content in s3.list_objects_v2(Bucket=bucket, Prefix=prefix, Delimiter="/").get("Contents", []):
        path = Path(options.run_dir) / content["Key"]
        path.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, content["Key"], str(path))
        paths.append(str(path.resolve()))
    return exported, paths


def rollback(options: Namespace, terminal: Terminal) -> int:
    cloud = client(options)
    return followed(cloud, by_hand.roll_back(cloud, options.shop), terminal)


def promote(options: Namespace, terminal: Terminal) -> int:
    cloud, more = client(options), {"run": options.run} if options.run else {}
    return followed(cloud, cloud.runs.start(options.shop, "promote", **more), terminal)


def recommend(options: Namespace, terminal: Terminal) -> None:
    query = {"limit": str(options.limit)} | ({"filter": options.filter} if options.filter else {})
    query |= {f"filterValues.{key}": value for key, value in options.value}
    query |= {f"context.{key}": value for key, value in options.context}
    show(client(options).recommend(options.shop, options.user, **query), f"for {options.user}", terminal)


def similar(options: Namespace, terminal: Terminal) -> None:
    answer = client(options).similar(options.shop, options.item, limit=str(options.limit))
    show(answer, f"similar to {options.item}", terminal)


def popular(options: Namespace, terminal: Terminal) -> None:
    show(client(options).popular(options.shop, limit=str(options.limit)), "popular", terminal)


def ranking(options: Namespace, terminal: Terminal) -> None:
    show(client(options).ranking(options.shop, options.user, options.items), f"ranked for {options.user}", terminal)


def show(answer: Answer, title: str, terminal: Terminal) -> None:
    terminal.result(timed(answer), lambda: terminal.items(answer, title))


def timed(answer: Answer) -> dict[str, Any]:
    return answer.body | {"milliseconds": round(answer.milliseconds, 1)}


def likelihood(options: Namespace, terminal: Terminal) -> None:
    context = {f"context.{key}": value for key, value in options.context}
    answer = client(options).likelihood(options.shop, options.user, options.items, **context)
    terminal.result(timed(answer), lambda: terminal.likelihoods(answer, options.user))


def event(options: Namespace, terminal: Terminal) -> None:
    cloud = client(options)
    answer = cloud.event(options.shop, options.user, options.item, options.type, options.session)
    if meant := other_type(options.type, cloud.event_types(options.shop)):
        terminal.note(f"the shop's data have no event {options.type}, and it was sent as it is: did you mean {meant}?")
    text = f"{counted(answer.body['accepted'], 'event')} accepted in {answer.milliseconds:.1f} ms"
    terminal.result(timed(answer), lambda: terminal.line(text))


def other_type(typed: str, types: Sequence[str]) -> str:
    """Return the event type that was probably meant: one of the shop's data, or a usual one; "" if `typed` is right."""
    from personalization.events.models import EVENT_TYPES  # noqa: PLC0415 - nothing else here needs it

    if typed in {*types, *EVENT_TYPES.values()}:
        return ""
    near = get_close_matches(typed, [*types, *EVENT_TYPES.values()], 1)
    return near[0] if near and near[0] != typed else ""


def token(options: Namespace, terminal: Terminal) -> None:
    """Print the token of an anonymous user's session, or of a user who has logged in."""
    home = Home(options.run_dir)
    state = require(home)
    request = {"userToken": login.user_token(home, state, options.user, time.time())} if options.user else {}
    address = f"{state.browser_api}/shops/{options.shop}/sessions"
    try:
        answer = client(options).http.request("POST", address, json=request)
        body = answer.json()
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        text = f"the browsers' API does not answer in JSON, or not at all: {error}; see `python -m local logs cloud`"
        raise LocalError(text) from error
    if answer.status != 201:
        raise LocalError(f"{answer.status} {body.get('detail')}")
    terminal.result({"url": state.browser_api, **body}, lambda: terminal.line(body["token"]))


def replay(options: Namespace, terminal: Terminal) -> None:
    reasons = client(options).replay()
    if terminal.as_json:
        terminal.json({"replayed": reasons.total(), "reasons": reasons})
    elif reasons:
        terminal.table(("messages", "reason"), [(str(count), why) for why, count in reasons.items()])
    else:
        terminal.note("there are no dead letters")


def logs(options: Namespace, terminal: Terminal) -> None:
    """Show a log, or list the logs; in JSON each line is a string."""
    home = Home(options.run_dir)
    files = {path.stem: path for path in sorted(home.run.glob("*.log"))}
    state = None if options.name in files else running(home)
    cloud = Client(state) if state is not None else None
    functions = cloud.functions() if cloud is not None else {}
    if options.name in files:
        lines = file_lines(files[options.name], options.lines, follow=options.follow)
    elif cloud is not None and options.name in functions:
        lines = cloud.log_lines(functions[options.name], follow=options.follow, limit=options.lines)
    elif options.name:
        there = ", ".join([*files, *functions]) or "none before `python -m local up`"
        raise LocalError(f"there is no log {options.name}; there are: {there}")
    else:
        places = {name: str(path) for name, path in files.items()} | functions
        return terminal.result(places, lambda: terminal.table(("log", "where"), places.items()))
    for line in lines:
        (terminal.json if terminal.as_json else terminal.line)(line)
    return None


def file_lines(path: Path, limit: int, *, follow: bool) -> Iterator[str]:
    """Yield the last `limit` lines of a file; with `follow`, then what is added, without end."""
    with path.open(errors="replace") as file:
        yield from (line.rstrip("\n") for line in collections.deque(file, limit))
        while follow:
            line = file.readline()
            if line:
                yield line.rstrip("\n")
            else:
                time.sleep(0.2)
