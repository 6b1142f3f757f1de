# SPDX-License-Identifier: Apache-2.0
"""What the command line takes: its commands, their arguments, and their help."""

import argparse
import importlib
import importlib.metadata
import math
import os
import platform
import re
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, get_args

from personalization.core.names import Backend
from personalization.shop import keys
from table_intake.wording import LANGUAGES, Text

from local.cloud.environments import LOCAL, LocalError
from local.terminal.speech import SCRIPT

Add = Callable[..., argparse.ArgumentParser]
"""Adds a command: its name, its purpose, examples, and as `takes` its positional arguments, of :data:`TAKEN`.
One that is `bare` has commands of its own."""
MODULES = {
    "continue": "local.cli.by_hand:resume",
    "demo": "local.demo.walkthrough",
    "hash": "local.cli.hashing",
    "evaluate": "local.evaluation.command",
    "customers": "local.cli.customers",
    "experiment check": "local.experiments.running:check",
    "experiment plan": "local.experiments.command",
    "experiment report": "local.experiments.telling:report",
    "experiment start": "local.experiments.running:start",
    "experiment status": "local.experiments.telling:status",
    "experiment stop": "local.experiments.running:stop",
    "map": "local.cli.mapping",
    "open": "local.cli.commands:open_page",
    "publish": "local.storefront.publishing",
    "retrain": "local.cli.by_hand:retrain",
    "settings-schema": "local.cli.settings_schema",
    "shelves": "local.experiments.shelves:main",
    "shopfront": "local.storefront.server",
    "start": "local.start.command",
    "storefront": "local.storefront.server",
    "sweep": "local.cli.by_hand:sweep",
    "teardown": "local.cli.teardown",
}
"""Commands of modules of their own, in which `main` or the named function is called; the others are functions of
:mod:`local.cli.commands`."""
PERIODS = ("today", "day", "week", "month")
KINDS = ("interactions", "users", "items", "actions", "action-interactions", "settings", "export")


def shop_name(text: str) -> str:
    """Read a shop's name as a run does: one that no run accepts is refused before anything is sent."""
    if not keys.is_shop(text):
        raise argparse.ArgumentTypeError(f"{text} cannot be a shop's name: it must be {keys.SHOP_RULE}")
    return text


TAKEN: dict[str, dict[str, Any]] = {
    "SHOP": {"dest": "shop", "type": shop_name, "help": f"the shop's name: {keys.SHOP_RULE}"},
    "USER": {"dest": "user", "help": "a user id, known or not"},
    "[USER]": {"dest": "user", "nargs": "?", "help": "a user id; without it, an anonymous user's token"},
    "ITEM": {"dest": "item", "help": "an item id"},
    "ITEM…": {"dest": "items", "nargs": "+", "help": "item ids"},
    "TYPE": {"dest": "type", "help": "an event type, such as View"},
    "[ID…]": {
        "dest": "ids",
        "nargs": "*",
        "help": "ids as the shop writes them; without one, a line each of the input",
    },
    "JOB": {"dest": "job", "help": "a name under `batch` in the shop's settings"},
    "[RUN]": {"dest": "run", "nargs": "?"},
    "[NAME]": {"dest": "name", "nargs": "?", "help": "cloud, engine, watch, build, deploy, or a function's name"},
    "STACK": {"dest": "stack", "help": "the stack; the credentials and the region are the shell's"},
    "KIND": {"dest": "kind", "choices": KINDS, "help": ", ".join(KINDS)},
    "EXPERIMENT": {"dest": "experiment", "help": "its name in the file of experiments"},
    "FILE": {"dest": "file", "type": Path},
    "[EXPERIMENT]": {"dest": "experiment", "nargs": "?"},
    "[SHOP]": {"dest": "shop", "nargs": "?", "type": shop_name, "help": "a shop of the running cloud"},
    "FILE…": {"dest": "files", "nargs": "+", "type": Path},
    "[FILE…]": {"dest": "files", "nargs": "*", "type": Path},
}
"""Positional arguments, by their names in usage lines."""
EXAMPLES = """examples:
  {prog} start orders.csv products.csv
  {prog} up
  {prog} drop myshop interactions purchases.csv --watch
  {prog} recommend myshop u42 --limit 5
  {prog} event myshop u42 i7 View
  {prog} logs engine --follow
  {prog} down

`{prog} COMMAND --help` has its options and examples.
exit codes: 0 done, 1 failed, 2 wrong usage, 3 the local cloud is not running"""


class Parser(argparse.ArgumentParser):
    """A parser whose errors name the nearest word of those that it knows."""

    def error(self, message: str) -> NoReturn:
        choice = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
        if choice and (meant := near(choice[1], re.findall(r"[\w-]+", choice[2]))):
            message = f"{message[: choice.start()]}there is no {choice[1]}{meant}"
        super().error(message)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        options, unknown = super().parse_known_args(args, namespace)
        for option in [word.partition("=")[0] for word in unknown if word.startswith("--")]:
            self.error(f"there is no option {option}{near(option, list(self._option_string_actions))}")
        return options, unknown


def near(word: str, words: Sequence[str]) -> str:
    matches = get_close_matches(word, words, 1)
    return f"; did you mean {matches[0]}?" if matches else ""


class Version(argparse.Action):
    def __call__(self, *_: object) -> None:
        version, engine = map(importlib.metadata.version, ("retail-personalization", "personalize-local"))
        sys.stdout.write(f"retail-personalization {version} (engine {engine}, Python {platform.python_version()})\n")
        sys.exit(0)


class Completion(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, _: object, shell: object, *__: object) -> None:
        import shtab  # noqa: PLC0415 - nothing else needs it

        parser.prog = SCRIPT
        for action in every_action(parser):
            if action.type is Path:
                action.complete = shtab.DIRECTORY if action.dest == "run_dir" else shtab.FILE  # type: ignore[attr-defined]
        sys.stdout.write(shtab.complete(parser, str(shell)) + "\n")
        sys.exit(0)


def every_action(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # noqa: SLF001 - argparse has no public list
        yield action
        for command in action.choices.values() if isinstance(action, argparse._SubParsersAction) else ():  # noqa: SLF001
            yield from every_action(command)


def parser() -> argparse.ArgumentParser:
    prog = SCRIPT if Path(sys.argv[0]).name == SCRIPT else "python -m local"
    main = Parser(
        prog=prog,
        description="The local cloud: start it, drop files, ask for recommendations.",
        epilog=EXAMPLES.format(prog=prog),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    main.add_argument("--version", action=Version, nargs=0, help="the versions of the application and its engine")
    text = f"the completion of `{SCRIPT}` for a shell, to write to where it looks"
    main.add_argument("--completion", action=Completion, choices=("bash", "zsh", "tcsh"), help=text)
    add = adder(prog, main.add_subparsers(dest="command", required=True, title="commands", metavar="COMMAND"))
    add_start(add)
    add_operations(add)
    add_storefront(add)
    add_runs(add)
    add_settings(add)
    add_questions(add)
    add_evaluate(add)
    add_experiment(prog, add)
    shelves = add(
        "shelves",
        "what a shop's placements earned: analyses now, which otherwise happens every hour, and names the page",
        "shelves myshop",
        "shelves myshop --period month",
        takes="SHOP",
    )
    text = "today so far, yesterday, seven days or four weeks up to yesterday; default: week, or today for a new shop"
    shelves.add_argument("--period", choices=PERIODS, help=text)
    return main


def adder(prog: str, commands: "argparse._SubParsersAction[Any]") -> Add:
    """Return the function that adds a command to some commands."""

    def add(
        name: str,
        text: str,
        *examples: str,
        takes: str = "",
        bare: bool = False,
        aliases: Sequence[str] = (),
        **helps: str,
    ) -> argparse.ArgumentParser:
        lines = [f"  {prog} {example}" for example in examples]
        command: argparse.ArgumentParser = commands.add_parser(
            name,
            aliases=aliases,
            help=text,
            description=textwrap.fill(f"{text[:1].upper()}{text[1:]}.", 78),
            epilog="\n".join(["examples:", *lines]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        for word in takes.split():
            taken = TAKEN[word]
            help_ = helps.get(taken["dest"], taken.get("help"))
            command.add_argument(**taken | {"metavar": word.strip("[…]"), "help": help_})
        if bare:
            return command
        command.add_argument("--json", action="store_true", help="answer in JSON, without progress")
        folder = "folder of the cloud; another one is another cloud; default .local/run"
        command.add_argument("--run-dir", type=Path, default=LOCAL / "run", metavar="DIR", help=folder)
        return command

    return add


def add_start(add: Add) -> None:
    start = add(
        "start",
        "a shop from its files, in one command: settings, training, first lists, storefront",
        "start orders.csv products.csv customers.csv",
        "start export/*.csv --shop myshop --yes --no-open",
        takes="FILE…",
        files="all files of the shop's export, of any format, or folders of parts; their columns tell what each has",
    )
    text = "the shop's name; default: that of the first file's folder"
    start.add_argument("--shop", type=shop_name, metavar="SHOP", help=text)
    start.add_argument("--yes", action="store_true", help="take the defaults in place of asking")
    text = "answers to the questions, `QUESTION: answer` a line; without a terminal, a refusal shows which"
    start.add_argument("--answers", type=Path, metavar="FILE", help=text)
    text = "a settings.yaml that is extended"
    start.add_argument("--settings", type=Path, metavar="FILE", help=text)
    text = "where to write the settings; default: settings.yaml beside the first file"
    start.add_argument("--write", type=Path, metavar="FILE", help=text)
    text = "of reports and pages; default: ko where columns have Korean names, else en"
    start.add_argument("--language", choices=("en", "ko"), default="", help=text)
    text = "who trains and answers, for the settings that are written; default: personalize, which is Amazon's service"
    start.add_argument("--backend", choices=get_args(Backend), help=text)
    start.add_argument("--no-open", action="store_true", help="end after the first list, without the storefront")


def add_operations(add: Add) -> None:
    add("setup", "make or refresh the environments of the local AWS and of SAM", "setup")
    up = add("up", "start the cloud and deploy these sources", "up", "up --fresh --cloud-port 4566")
    named = (("--cloud-port", "the local AWS"), ("--engine-port", "the engine"), ("--watch-port", "the watch page"))
    for name, what in named:
        up.add_argument(name, type=PORT, metavar="PORT", help=f"port of {what}; default: the last one, or a free one")
    up.add_argument("--fresh", action="store_true", help="forget all shops, objects and runs of earlier sessions")
    up.add_argument("--faults", action="store_true", help="let tests make the engine and the local AWS fail on request")
    slots = "functions that run at the same time, 0 for any number; new accounts of AWS have 10"
    up.add_argument("--function-slots", type=int, metavar="N", help=slots)
    down = add("down", "stop the cloud; the next `up` brings its shops back", "down", "down --wipe")
    down.add_argument("--wipe", action="store_true", help="remove its data too")
    add("status", "addresses, API key, bucket, memory and shops", "status", "status --json")
    text = "the page that watches the cloud, in the browser: shops, runs, reports, errors, customers"
    page = add("open", text, "open", "open --json")
    page.add_argument("--port", type=PORT, metavar="PORT", help="another port for the page; default: the one it has")
    add("env", 'variables that point AWS tools at the cloud, its key included: eval "$(... env)"', "env", "env --json")
    text = "the log of a process or a function; without NAME, the list of logs"
    logs = add("logs", text, "logs cloud --follow", "logs GetRecommendationsFunction", takes="[NAME]")
    logs.add_argument("--follow", action="store_true", help="keep printing new lines until Ctrl-C")
    logs.add_argument("--lines", type=COUNT, default=50, metavar="N", help="number of last lines; default 50")
    demo = add("demo", "the main job on real data, step by step; stays up until Ctrl-C", "demo", "demo --once")
    demo.add_argument("--once", action="store_true", help="stop everything at the end")
    text = (
        "who trains and answers: Amazon Personalize, for which the embedded engine stands here, or the engine in the"
        " stack's own functions; default personalize"
    )
    demo.add_argument("--backend", choices=get_args(Backend), default="personalize", help=text)


def add_storefront(add: Add) -> None:
    text = "a shop in the browser with its items, by the setting `storefront`; until Ctrl-C or `down`"
    front = add("storefront", text, "storefront", "storefront --shop myshop", aliases=("shopfront",))
    front.add_argument("--shop", type=shop_name, default="demo", metavar="SHOP", help="the shop; default demo")
    front.add_argument("--port", type=PORT, default=0, metavar="PORT", help="port of 127.0.0.1; default: a free one")
    text = "serve it as CloudFront does: for anonymous users, with session tokens and no key"
    front.add_argument("--tokens", action="store_true", help=text)
    text = "upload the storefront to a stack on AWS that has Storefront; again after changes of items or settings"
    publish = add("publish", text, "publish retail-dev --shop myshop", takes="STACK")
    publish.add_argument(
        "--shop", type=shop_name, required=True, metavar="SHOP", help="the shop, with a promoted release"
    )


def add_runs(add: Add) -> None:
    drop = add(
        "drop",
        "put files into the bucket, as a shop would",
        "drop myshop interactions purchases.csv --watch",
        "drop myshop interactions purchases.csv --settings settings.yaml --watch",
        "drop myshop interactions unloaded/ --watch",
        "drop myshop export files-of-december/ --settings settings.yaml --watch",
        "drop myshop settings settings.yaml",
        takes="SHOP KIND FILE…",
        files="text (.csv, .tsv, .txt, .json, .jsonl; also .gz, .zst, .zip), .xlsx, .parquet, or a folder of parts; "
        "settings: .yaml, .yml or .json; export: a folder of files that are joined as the settings say",
    )
    drop.add_argument(
        "--incremental", action="store_true", help="add to what was imported before; without it, replace it"
    )
    text = "settings of the shop, dropped before the files"
    drop.add_argument("--settings", type=Path, metavar="YAML", help=text)
    drop.add_argument("--watch", action="store_true", help="follow the runs to their ends")
    runs = add("runs", "the runs of a shop, newest first", "runs myshop", "runs myshop --watch", takes="SHOP")
    runs.add_argument("--watch", action="store_true", help="follow the newest run to its end")
    runs.add_argument("--limit", type=COUNT, default=10, metavar="N", help="how many; default 10")
    text, run = "download the reports of a shop's newest run", "the run; default: the newest that has reports"
    add("report", text, "report myshop", "report myshop RUN", takes="SHOP [RUN]", run=run)
    text = "train a shop's recipes on the data that it has"
    retrain = add("retrain", text, "retrain myshop", "retrain myshop --recipe similar-items --watch", takes="SHOP")
    text = "a recipe to train, and no other; repeatable"
    retrain.add_argument("--recipe", action="append", default=[], metavar="NAME", help=text)
    text = "update user-personalization with new interactions, without a full training (trainingMode UPDATE)"
    retrain.add_argument("--update", action="store_true", help=text)
    retrain.add_argument("--watch", action="store_true", help="follow the run to its end")
    text, run = "handle the drops of a failed run again, and those that wait", "the failed run; default: the newest one"
    resume = add("continue", text, "continue myshop --watch", "continue myshop RUN", takes="SHOP [RUN]", run=run)
    resume.add_argument("--watch", action="store_true", help="follow the run to its end")
    text = "start runs for drops that no run will handle, as happens every 15 minutes"
    sweep = add("sweep", text, "sweep", "sweep --shop myshop --minutes 0 --watch")
    sweep.add_argument("--shop", metavar="SHOP", help="claim files of this shop only; default: of all")
    text = "the age at which a file counts as one whose event never came; default 10"
    sweep.add_argument("--minutes", type=whole(0), metavar="N", help=text)
    sweep.add_argument("--watch", action="store_true", help="follow the runs that it starts to their ends")
    add("rollback", "return the campaigns to the previous release", "rollback myshop", takes="SHOP")
    text = "run one of a shop's batch jobs, and fetch what it exports"
    add("batch", text, "batch myshop weekly-mail", takes="SHOP JOB")
    text = "write a file of all customers: who will probably buy, how often, for how much, and perhaps a given item"
    customers = add("customers", text, "customers myshop", "customers myshop --item i7 --out i7.csv", takes="SHOP")
    text = "an item whose probability every customer gets, too; repeatable, the first one orders the file"
    customers.add_argument("--item", action="append", default=[], metavar="ITEM", help=text)
    text = "the CSV to write; default: customers-SHOP.csv"
    customers.add_argument("--out", metavar="FILE", help=text)
    text = "the hashes that stand for ids of a shop's users, as CSV, to tell who a line of an export is about"
    add("hash", text, "hash myshop ann@example.com", "hash myshop < addresses.txt > hashes.csv", takes="SHOP [ID…]")
    text, run = "promote a release that the gate refused", "the refused run; default: the newest one"
    add("promote", text, "promote myshop", "promote myshop RUN", takes="SHOP [RUN]", run=run)
    text = "remove a shop: everything it has on either backend, its schedules and its records"
    teardown = add("teardown", text, "teardown myshop --dry-run", "teardown myshop --yes", takes="SHOP")
    teardown.add_argument("--dry-run", action="store_true", help="only list what would be removed, and its price")
    teardown.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    teardown.add_argument("--objects", action="store_true", help="remove its files in the bucket too")


def add_settings(add: Add) -> None:
    text = "the JSON Schema of a shop's settings.yaml, by which editors complete and check it"
    add("settings-schema", text, "settings-schema > settings.schema.json")

    add_map(add)


def add_map(add: Add) -> None:
    command = add(
        "map",
        "propose the settings that your exports need, from the names and values of their columns",
        "map orders.csv products.xlsx",
        "map orders.csv --write settings.yaml",
        takes="FILE…",
        files="exports of any format, or folders of parts; the columns tell what each has",
    )
    text = "what the files have, if their columns could be of several kinds"
    command.add_argument("--kind", choices=KINDS[:3], help=text)
    text = "the shop in the local cloud whose settings are extended"
    command.add_argument("--shop", type=shop_name, metavar="SHOP", help=text)
    text = "a settings.yaml that is extended, in place of a shop's"
    command.add_argument("--settings", type=Path, metavar="FILE", help=text)
    text = "a new file for the settings, to read and to drop; without it, they are printed"
    command.add_argument("--write", type=Path, metavar="FILE", help=text)
    text = "of what is said, and of comments in the settings: en or ko; default: the settings' one"
    command.add_argument("--language", choices=LANGUAGES, default="", help=text)


def add_questions(add: Add) -> None:
    example, user = "recommend myshop u42 --limit 5 --context DEVICE=phone", "a user id, known or not, or a session id"
    recommend = add("recommend", "items for a user", example, takes="SHOP USER", user=user)
    similar = add("similar", "items similar to one", "similar myshop i7", takes="SHOP ITEM")
    popular = add("popular", "the most popular items", "popular myshop --limit 5", takes="SHOP")
    for command in (recommend, similar, popular):
        command.add_argument("--limit", type=COUNT, default=10, metavar="N", help="how many items; default 10")
    recommend.add_argument("--filter", metavar="NAME", help="one of the shop's filters")
    add_pairs(recommend, "--value", "value of the filter's $KEY; repeatable")
    add_pairs(recommend, "--context", "context for the recipe; repeatable")
    add("ranking", "given items, best for a user first", "ranking myshop u42 i1 i2 i3", takes="SHOP USER ITEM…")
    examples = ("likelihood myshop u42 i1 i2 i3", "likelihood myshop newcomer i1 --context AGE=25-34")
    likelihood = add("likelihood", "how likely a user is to buy items", *examples, takes="SHOP USER ITEM…")
    add_pairs(likelihood, "--context", "a users column, in place of the stored value; repeatable")
    text, example = "send an event; the next recommendations know of it", "event myshop u42 i7 View --session s1"
    event = add("event", text, example, takes="SHOP USER ITEM TYPE")
    event.add_argument("--session", metavar="ID", help="the session; default: a new one")
    text = "a browser's token, for an anonymous or a logged-in user"
    add("token", text, "token myshop u42", takes="SHOP [USER]")
    add("replay", "retry undelivered events, once the cause is fixed", "replay")


def add_evaluate(add: Add) -> None:
    evaluate = add(
        "evaluate",
        "what quality to expect from your own CSVs, without a cloud: every recipe beside simple rules",
        "evaluate interactions.csv",
        "evaluate interactions.csv.gz users.csv items.csv --days 28",
        "evaluate --interactions orders.csv --items products.csv --settings settings.yaml",
        takes="[FILE…]",
        files="interactions, and users and items if there are any: files of any format or folders of parts, recognised "
        "by their columns, values and names as `map` does",
    )
    for kind in KINDS[:3]:
        text = f"a file of {kind}, if its columns could be of several kinds; repeatable"
        evaluate.add_argument(f"--{kind}", action="append", default=[], type=Path, metavar="FILE", help=text)
    text = "event type to train on and to predict, or `all`; default: Purchase where there are enough, else all"
    evaluate.add_argument("--event-type", metavar="TYPE", help=text)
    text = "how many days at the end are the test; default: a tenth of the time, 7 to 28"
    evaluate.add_argument("--days", type=positive, metavar="N", help=text)
    text = "length of the lists, 1 to 50; default 10"
    evaluate.add_argument("--k", type=whole(1, 50), default=10, metavar="N", help=text)
    text = "how much User-Personalization and Personalized-Ranking learn; default standard"
    evaluate.add_argument("--tier", choices=("auto", "fast", "standard", "deep"), default="standard", help=text)
    evaluate.add_argument("--seed", type=int, default=7, metavar="N", help="seed of all random draws; default 7")
    text = "a shop's settings.yaml: names and defaults of columns, how many bad rows are tolerated"
    evaluate.add_argument("--settings", type=Path, metavar="FILE", help=text)
    text = "language of the page and of what is said: en or ko; default: the settings' one"
    evaluate.add_argument("--language", choices=LANGUAGES, help=text)
    text = "whose trainings and answers the shop would pay for; default: the settings' one"
    evaluate.add_argument("--backend", choices=get_args(Backend), help=text)
    text = "where to write the report as a page; default .local/evaluation/NAME.html"
    evaluate.add_argument("--html", type=Path, metavar="FILE", help=text)


def add_experiment(prog: str, add: Add) -> None:
    experiment = add(
        "experiment",
        "experiments on a shop's placements: what they could see, what starts, what they say",
        "experiment plan interactions.csv",
        "experiment start myshop experiments.yaml",
        bare=True,
    )
    actions = experiment.add_subparsers(dest="action", required=True, title="actions", metavar="ACTION")
    add = adder(f"{prog} experiment", actions)
    plan = add(
        "plan",
        "which lift an experiment of your shop could see, from its last eight weeks, before any is started",
        "plan interactions.csv",
        "plan orders.csv --settings settings.yaml",
        takes="[FILE…]",
        files="interactions: files of any format or folders of parts, recognised by their columns as `map` does",
    )
    text = "a file of interactions, if its columns could be of several kinds; repeatable"
    plan.add_argument("--interactions", action="append", default=[], type=Path, metavar="FILE", help=text)
    text = "event type that counts as an order; default: the settings' one, which is Purchase without any"
    plan.add_argument("--event-type", metavar="TYPE", help=text)
    text = "a shop's settings.yaml: names and defaults of columns, how many bad rows are tolerated"
    plan.add_argument("--settings", type=Path, metavar="FILE", help=text)
    text = "of what is said: en or ko; default: the settings' one"
    plan.add_argument("--language", choices=LANGUAGES, help=text)
    check = add(
        "check",
        "whether a file of experiments could start, with everything that is missing",
        "check experiments.yaml",
        "check experiments.yaml myshop",
        takes="FILE [SHOP]",
        file="the file of experiments",
        shop="a shop of the running cloud, against whose settings, release and experiments it is held",
    )
    start = add(
        "start",
        "drop a file of experiments, and say what it starts and stops",
        "start myshop experiments.yaml",
        takes="SHOP FILE",
        file="the file of experiments: all of the shop's, since what it leaves out stops",
    )
    stop = add(
        "stop",
        "stop an experiment at once; its figures stay",
        "stop myshop home-list",
        takes="SHOP EXPERIMENT",
    )
    status = add(
        "status",
        "a shop's experiments, and what each says by its last report",
        "status myshop",
        takes="SHOP",
    )
    report = add(
        "report",
        "analyse experiments now, which otherwise happens every hour: figures, verdict, and where the page is",
        "report myshop",
        "report myshop home-list",
        takes="SHOP [EXPERIMENT]",
        experiment="one of them; all without it",
    )
    named = {"plan": plan, "check": check, "start": start, "stop": stop, "status": status, "report": report}
    for name, action in named.items():
        action.set_defaults(command=f"experiment {name}")


def add_pairs(command: argparse.ArgumentParser, name: str, text: str) -> None:
    command.add_argument(name, action="append", default=[], type=pair, metavar="KEY=VALUE", help=text)


def whole(low: int, high: int | None = None) -> Callable[[str], int]:
    """Make the type of an argument: a whole number in this range."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < low or (high is not None and int(text) > high):
            wanted = f"a number of at least {low}" if high is None else f"between {low} and {high}"
            raise argparse.ArgumentTypeError(f"{text} is not {wanted}")
        return int(text)

    return read


COUNT = whole(1)
PORT = whole(1024, 65535)
"""A TCP port that needs no privileges."""


def positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return number


def pair(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not key or not sign:
        raise argparse.ArgumentTypeError(f"{text} is not KEY=VALUE")
    return key, value


def terminated(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Let SIGTERM unwind a command as Ctrl-C does: nothing is left half done."""
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if options.command != "publish":  # which alone asks AWS; nothing else may reach the operator's account by mistake
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
    signal.signal(signal.SIGTERM, terminated)
    # Here, since `--help` need not wait a quarter of a second for boto3 and rich.
    from local.cli import commands  # noqa: PLC0415
    from local.terminal.output import Terminal  # noqa: PLC0415

    terminal = Terminal(as_json=options.json, run_dir=options.run_dir)
    module, _, function = MODULES.get(options.command, "").partition(":")
    command: Callable[[argparse.Namespace, Terminal], int | None] = (
        getattr(importlib.import_module(module), function or "main") if module else getattr(commands, options.command)
    )
    try:
        return command(options, terminal) or 0
    except LocalError as error:
        terminal.error(error.said, error.code, error.details)
        return error.code
    except KeyboardInterrupt:
        terminal.error(Text("interrupted", "interrupted"), 130)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
