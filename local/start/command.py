# SPDX-License-Identifier: Apache-2.0
"""``python -m local start``: look at a shop's files, ask what they leave open, train on them, and open the shop."""

import fcntl
import hashlib
import json
import os
import sys
import threading
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TypeVar

from personalization.core.errors import Rejected
from personalization.shop import keys
from personalization.shop.settings.settings import ShopSettings, parse
from table_intake import DataKind, LeftOut, Refused, join_tables
from table_intake.columns.header import canonical
from table_intake.settings.exports import ExportedTable, ExportSettings
from table_intake.wording import Text, codes, restored

from local.cloud import lifecycle
from local.cloud.client import Answer, ApiError, Client, until
from local.cloud.environments import LocalError
from local.cloud.home import Home, State, running
from local.cloud.runs import Run
from local.evaluation import samples
from local.evaluation.samples import BadFile
from local.start import answers, document, files, progress, screen
from local.start.files import Source
from local.start.outlook import Outlook, as_json, is_korean, look
from local.start.progress import Progress
from local.storefront import server
from local.terminal.output import Terminal, run_json

FIRST: tuple[DataKind, ...] = ("items", "users")
"""Kinds that are dropped before interactions, which begin the training."""
STOP = "stop"
"""The answer with which nothing is done."""
PERSONAL = "user-personalization"
"""The recipe of users' lists."""
SOON_SECONDS = 3.0
"""How long the start of a cloud waits for the joining of files, which may refuse them."""
LATE_SECONDS = 300.0
"""How long the first list may take on the busiest machine: the API learns of a release some seconds later."""


T = TypeVar("T")


class Interrupted(LocalError):
    code = 130

    def __init__(self) -> None:
        super().__init__(Text("start.interrupted", "interrupted: the same `start` goes on from here"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What was decided of the files: the settings, and what is in them."""

    outlook: Outlook
    questions: str
    """The name of the questions that the files raise; see `answers.digest`."""
    sources: Mapping[str, Source]
    """Where each table is."""
    settings: Path
    text: str
    """Of the settings; "" before they are written."""

    @property
    def export(self) -> ExportSettings:
        """Which file has what, as the settings say it."""
        return _parsed(self.settings, self.text).export or self.outlook.proposal.export


def main(options: Namespace, terminal: Terminal) -> int:
    """Take a shop from its files to its first list. Raises LocalError with the way out."""
    home = Home(options.run_dir)
    named = files.named(options.files)
    shop = options.shop or progress.shop_of(next(iter(named.values())).parent)
    try:
        with at_work(home, shop) as folder:
            start = Start(options, terminal, home, shop)
            return start.play(named, folder)
    except KeyboardInterrupt:
        raise Interrupted from None


@contextmanager
def at_work(home: Home, shop: str) -> Iterator[Path]:
    """Let one start at a time work on a shop; yield the folder of what it has done."""
    home.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = home.starts / shop
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalError(
                Text(
                    "start.at-work",
                    "another `start` is at work on {shop}: wait for it, or name this one with --shop",
                    shop=shop,
                )
            ) from None
        yield folder


@dataclass(frozen=True, slots=True)
class Start:
    """The steps, each of which can run twice."""

    options: Namespace
    terminal: Terminal
    home: Home
    shop: str

    def play(self, named: Mapping[str, Path], folder: Path) -> int:
        options, terminal = self.options, self.terminal
        with terminal.step(Text("start.reading", "reading {files:,} {files:file|files}", files=len(named))):
            digests = files.digests(named)
            done = self.before(folder, {str(named[name].resolve()): digest for name, digest in digests.items()})
            read = self.decide(named, digests, done)
        read, done = self.settle(read, digests, done)
        progress.write(folder, done)
        whole = {kind: files.whole(table, named, read.sources) for kind, table in read.export.tables()}
        made = {kind: table for kind, table in read.export.tables() if not whole[kind]}
        preparing = begun(partial(self.prepare, folder, read, whole, made, done))
        # Small files are joined, or refused, before a cloud starts; it starts beside the joining of large ones.
        counted = self.counted(preparing, made, SOON_SECONDS)
        state = self.cloud()
        if not counted:
            self.counted(preparing, made)
        drops, done = preparing.result()
        client = Client(state)
        runs, done = self.train(client, drops, folder, done)
        user = self.busiest(drops["interactions"], _parsed(read.settings, read.text))
        answer = self.first_list(client, user)
        ends = options.no_open or terminal.as_json
        commands = self.next_commands(read, user, drops)
        result = {
            "shop": self.shop,
            "settings": str(read.settings),
            **as_json(read.outlook),
            "counts": dict(done.counts),
            "runs": [run_json(run) for run in runs],
            "user": user,
            "recommendations": answer.body["items"],
            "next": commands,
        }
        terminal.result(result, lambda: self.show(user, answer, commands))
        if not ends:
            self.open(state)
        return 0

    def before(self, folder: Path, of_paths: Mapping[str, str]) -> Progress:
        """Return how far an earlier start of these files has come; a new one where they are others or have changed."""
        done = progress.read(folder)
        if done is None or done.files == of_paths:
            return done or Progress(files=of_paths)
        if self.options.shop is None and not done.files.keys() & of_paths.keys():
            raise LocalError(
                Text(
                    "start.other-files",
                    "the shop {shop} was started with other files: {files}. Name this one with --shop, or say --shop "
                    "with the same name to replace its data",
                    shop=self.shop,
                    files=", ".join(done.files),
                )
            )
        changed = [Path(path).name for path, digest in of_paths.items() if done.files.get(path) != digest]
        gone = [Path(path).name for path in done.files if path not in of_paths]
        what: list[str] = []
        if changed:
            what.append(Text("start.changed", "{files} changed or new", files=", ".join(changed)))
        if gone:
            what.append(Text("start.gone", "{files} left out", files=", ".join(gone)))
        changes = Text.joined("; ", what)
        self.terminal.note(
            Text("start.anew", "since the last start: {changes}. So everything begins anew", changes=changes)
        )
        return replace(Progress(files=of_paths), settings=done.settings)

    def decide(self, named: Mapping[str, Path], digests: Mapping[str, str], done: Progress) -> Read:
        """Look at the files, by the settings that are there. Raises LocalError where they cannot be used."""
        target = self.options.write or next(iter(named.values())).parent / "settings.yaml"
        path, text = target, ""
        if target.exists():
            text = _text(target)
            if not self.usable(target, text, digests, done):
                text = ""
        if not text and self.options.settings is not None:
            path, text = self.options.settings, _text(self.options.settings)
        settings = _parsed(path, text)
        backend = self.options.backend
        if path == target and text and backend not in {None, settings.backend}:
            problem = "{path} says `backend: {backend}`: change it there, or leave --backend out"
            raise BadFile(Text("start.other-backend", problem, path=path, backend=settings.backend))
        if language := self.options.language or settings.model_dump(exclude_unset=True).get("language"):
            self.terminal.language = language
        twice = dict(files.repeated(digests))
        used = {name: path for name, path in named.items() if name not in twice}
        sources = files.tables(used)
        taken = files.take(used, sources)
        if not language and is_korean(taken):
            self.terminal.language = "ko"
        copies = [
            LeftOut(name, (), Text("start.copy", "it is the same as {first}, byte for byte", first=first))
            for name, first in twice.items()
        ]
        try:
            outlook = look(taken, settings, copies, self.options.language)
            if backend:
                outlook = outlook.on(backend)
        except Refused as refused:
            raise files.refusal(refused) from None
        return Read(
            outlook=outlook,
            questions=answers.digest(outlook.questions, {name: sample.header for name, sample in taken.items()}),
            sources=sources,
            settings=target,
            text=text if path == target else "",
        )

    def usable(self, target: Path, text: str, digests: Mapping[str, str], done: Progress) -> bool:
        """Return whether settings that are there already are those of an earlier start of the same files.

        Raises:
            BadFile: nothing may be written over them.
        """
        of_files = document.written_for(text)
        if not of_files:
            raise BadFile(
                Text(
                    "start.foreign-settings",
                    "{path} is there already, and `start` did not write it. To extend it: --settings {path} --write "
                    "NEW; to begin without it: --write NEW alone",
                    path=target,
                )
            )
        given = self.options.answers is not None and not done.answers
        if of_files == _name(digests) and not given:
            return True
        if not document.untouched(text):
            raise BadFile(
                Text(
                    "start.changed-settings",
                    "{path} was changed by hand, and the files are others now. To extend it: --settings {path} "
                    "--write NEW; to begin without it: --write NEW alone",
                    path=target,
                )
            )
        return False

    def settle(self, read: Read, digests: Mapping[str, str], done: Progress) -> tuple[Read, Progress]:
        """Show the screen, ask what is open, and write the settings.

        Raises:
            LocalError: the files cannot be used, or nobody answers.
        """
        terminal = self.terminal
        # What settings answer already is not asked again.
        outlook = read.outlook.settled() if read.text else read.outlook
        terminal.page(screen.drawn(outlook, terminal.words))
        if read.text:
            if not document.untouched(read.text):
                terminal.note(Text("start.your-settings", "{path} is taken with your changes", path=read.settings))
            else:
                terminal.note(Text("start.its-settings", "{path} is taken as `start` wrote it", path=read.settings))
            return read, done
        given = self.answer(outlook, read.questions)
        if stopped := next((question for question in outlook.questions if given[question.id] == STOP), None):
            raise BadFile(Text.joined(" ", [stopped.text, stopped.choices[STOP]]))
        settled = outlook.answered(given)
        text = document.text(settled, self.shop, _name(digests), terminal.words)
        _parsed(read.settings, text)
        _write(read.settings, text)
        terminal.note(
            Text("start.written", "written to {path}: change what is wrong there, and start again", path=read.settings)
        )
        return replace(read, outlook=settled, text=text), replace(done, settings=str(read.settings), answers=given)

    def answer(self, outlook: Outlook, name: str) -> dict[str, str]:
        """Return an answer to each question: from the file, by default, or typed. Raises BadAnswers."""
        options, questions = self.options, outlook.questions
        given = answers.read(options.answers, questions, name) if options.answers else {}
        if options.yes:
            given = answers.defaults(questions) | given
        rest = [question for question in questions if question.id not in given]
        if not rest:
            return given
        if options.yes or self.terminal.as_json or not sys.stdin.isatty():
            raise answers.missing(questions, given, name)
        with suppress(EOFError):
            terminal = self.terminal
            return given | answers.ask(rest, terminal.spoken, lambda prompt: input(terminal.words(prompt)))
        raise answers.missing(questions, given, name)

    def prepare(
        self,
        folder: Path,
        read: Read,
        whole: Mapping[DataKind, Path | None],
        made: Mapping[DataKind, ExportedTable],
        done: Progress,
    ) -> tuple[dict[str, Path], Progress]:
        """Join what is made of several files, and lay out the folder of what is dropped; return its files by kind.

        `whole`: the files that are dropped as they are. Raises BadFile.
        """
        done = self.join(folder / "joined", read, made, done) if made else done
        progress.write(folder, done)
        dropped = {kind: path or folder / "joined" / f"{kind}.csv" for kind, path in whole.items()}
        return lay_out(folder / "drops", read.text, dropped), done

    def join(self, folder: Path, read: Read, made: Mapping[DataKind, ExportedTable], done: Progress) -> Progress:
        """Join the files of some kinds, unless that was done before. Raises BadFile."""
        export = ExportSettings.model_validate(made)
        name = hashlib.sha256(f"{sorted(done.files.items())} {export.model_dump_json()}".encode()).hexdigest()
        if done.joined == name and all((folder / f"{kind}.csv").exists() for kind in made):
            return done
        try:
            joined = join_tables(
                export, lambda table: read.sources[table].opened(), folder, _quiet, names=(*read.sources,)
            )
        except Refused as refused:
            raise files.refusal(refused) from None
        except OSError as error:
            raise BadFile(f"{error.filename}: {error.strerror or error}") from None
        counts = {count.name: count.rows for count in joined.counts}
        return replace(done, joined=name, counts=counts, texts=codes(counts))

    def counted(
        self,
        preparing: Future[tuple[dict[str, Path], Progress]],
        made: Mapping[DataKind, ExportedTable],
        seconds: float | None = None,
    ) -> bool:
        """Wait so long at most until files are joined, and show what was counted; return whether all is shown.

        Raises BadFile.
        """
        if not made:
            return True
        names = ", ".join(ExportSettings.model_validate(made).files())
        try:
            with self.terminal.step(Text("start.joining", "joining {files}", files=names)):
                _, done = preparing.result(seconds)
        except TimeoutError:
            return False
        self.terminal.page(screen.counts(restored(done.counts, done.texts), self.terminal.words))
        return True

    def cloud(self) -> State:
        """Return the local cloud, started where it is not up."""
        state = running(self.home)
        if state is not None and state.launcher == lifecycle.launcher():
            return state
        self.terminal.heading(Text("start.cloud", "Starting the local cloud"))
        os.environ.setdefault(lifecycle.TIER, "standard")
        state, notes = lifecycle.up(self.home, self.terminal.step)
        for note in notes:
            self.terminal.note(note)
        return state

    def train(
        self, client: Client, drops: Mapping[str, Path], folder: Path, done: Progress
    ) -> tuple[list[Run], Progress]:
        """Drop what was not dropped yet, and follow the runs to their ends.

        Raises:
            LocalError: a run fails, or nothing is promoted.
        """
        settings = document.digest(drops["settings"].read_text(encoding="utf-8"))
        # A shop that was torn down has no claims.
        dropped = done.dropped == settings and bool(client.runs.claims(self.shop))
        runs = self.earlier_runs(client, done) if dropped else []
        if not runs:
            arns = self.drop(client, drops)
            done = replace(done, dropped=settings, runs=arns)
            progress.write(folder, done)
            runs = [self.follow(client, client.runs.describe(arn)) for arn in arns]
        if not client.runs.record(self.shop, "release"):
            if drops_refused := [pair for run in runs for pair in run.refused.items()]:
                reasons = Text.joined("; ", [Text.joined(": ", pair) for pair in drops_refused])
                raise LocalError(
                    Text(
                        "start.refused",
                        "nothing was trained, since the run refused {reasons}. Mend what it says, in the files or in "
                        "{settings}, and start again",
                        reasons=reasons,
                        settings=self.options.write or done.settings,
                    )
                )
            raise LocalError(
                Text(
                    "start.no-release",
                    "{shop} has no release yet: {reasons}. `python -m local report {shop}` fetches the reports; "
                    "`python -m local promote {shop}` promotes what was refused",
                    shop=self.shop,
                    reasons="; ".join(_why(run) for run in runs),
                )
            )
        # What the gate has refused does not serve, so what serves is older than the files, however they were taken in.
        refused = {run.output.get("outcome") for run in runs} & {"refused", "partly promoted"}
        late = set() if refused else {*client.untrained(self.shop)} & drops.keys()
        if late:
            kinds = Text.all_of(Text(f"kind.{kind}", kind) for kind in sorted(late))
            self.terminal.note(
                Text("start.late", "the training began before {kinds} were in: it is done again", kinds=kinds)
            )
            retraining = client.runs.start(self.shop, "retrain")
            done = replace(done, runs=(*done.runs, retraining.arn))
            progress.write(folder, done)
            runs.append(self.follow(client, client.runs.handling(retraining)))
        return runs, done

    def earlier_runs(self, client: Client, done: Progress) -> list[Run]:
        """Follow the runs of an earlier start to their ends; return none where one is gone or has failed."""
        runs = []
        for arn in done.runs:
            try:
                run = client.runs.describe(arn)
            except client.runs.client.exceptions.ExecutionDoesNotExist:
                return []
            # A retraining may have been left to the run that was at work.
            if client.runs.claim(run):
                run = client.runs.handling(run)
            if run.status == "RUNNING":
                run = self.follow(client, run)
            if run.status != "SUCCEEDED":
                return []
            runs.append(run)
        if runs and not any(run.refused for run in runs):
            self.terminal.note(Text("start.trained", "an earlier start has trained on these files"))
        return runs

    def drop(self, client: Client, drops: Mapping[str, Path]) -> tuple[str, ...]:
        """Drop settings and files, so that interactions appear last; return the ARNs of the runs that handle them."""
        terminal = self.terminal
        with terminal.step(Text("start.dropping", "dropping {files}", files="settings.yaml")):
            client.drop(self.shop, "settings", drops["settings"])
        first, last = {kind: drops[kind] for kind in FIRST if kind in drops}, drops["interactions"]
        names = ", ".join(path.name for path in (*first.values(), last))
        with terminal.step(Text("start.dropping", "dropping {files}", files=names)):
            uploads = client.drop_last(
                self.shop,
                "interactions",
                last,
                lambda: [client.drop(self.shop, kind, path) for kind, path in first.items()],
            )
        with terminal.step(Text("start.waiting", "waiting for the run that takes them up")):
            taken = [client.runs.started_by(upload.key, upload.before) for upload in uploads]
        return tuple(dict.fromkeys(run.arn for run in taken))

    def follow(self, client: Client, run: Run) -> Run:
        """Follow a run to its end. Raises LocalError where it fails."""
        run = self.terminal.ended(client.runs, run)
        if not self.terminal.as_json:
            self.terminal.runs([run])
        if run.status != "SUCCEEDED":
            raise LocalError(
                Text(
                    "start.run-failed",
                    "the run of {shop} ended {status}: {reason}. Mend what it says, in the files or in the settings, "
                    "and start again",
                    shop=self.shop,
                    status=run.status,
                    reason=run.reason,
                )
            )
        return run

    @staticmethod
    def busiest(interactions: Path, settings: ShopSettings) -> str:
        """Return the user with most rows in what is looked at of a file of interactions."""
        sample = samples.read(interactions, settings, "interactions")
        how = settings.file_settings("interactions")
        columns = {canonical(heading): name for heading, name in how.columns.items()}
        ours = [columns.get(canonical(heading), canonical(heading)) for heading in sample.header]
        index = ours.index("USER_ID") if "USER_ID" in ours else None
        if index is None:
            return "somebody"
        # What stands for guests is left out of the drop.
        skipped = {canonical(heading): words for heading, words in how.skip.items()}
        guests = {str(word).casefold() for word in skipped.get(canonical(sample.header[index]), ())}
        ids = (cell.strip() for cell in sample.column(index))
        users = Counter(user for user in ids if user and user.casefold() not in guests)
        return users.most_common(1)[0][0] if users else "somebody"

    def first_list(self, client: Client, user: str) -> Answer:
        """Return a user's recommendations, once the API knows of the release and a campaign answers.

        They are what sells most where the gate approved of no personal ones, and a fallback where no campaign answers
        for LATE_SECONDS.

        Raises:
            LocalError: the API goes on without the shop.
        """
        is_personal = PERSONAL in client.runs.record(self.shop, "release").get("campaigns", {})

        def ask() -> Answer | None:
            try:
                if is_personal:
                    return client.recommend(self.shop, user, limit="10")
                return client.popular(self.shop, limit="10")
            except ApiError as error:
                if error.answer.status != 404:
                    raise
                return None

        def is_whole(answer: Answer | None) -> bool:
            return answer is not None and bool(answer.body["items"]) and "degraded" not in answer.body

        answer = until(ask, is_whole, LATE_SECONDS)
        if answer is None:
            raise LocalError(
                Text(
                    "start.no-shop",
                    "the API knows no shop {shop}: see `python -m local logs GetRecommendationsFunction`",
                    shop=self.shop,
                )
            )
        if not is_personal:
            text = (
                "the gate found personal lists no better than what sells most, so everybody gets that: "
                "`python -m local report {shop}` has the figures, and `python -m local promote {shop}` serves them all "
                "the same"
            )
            self.terminal.note(Text("start.impersonal", text, shop=self.shop))
        return answer

    def next_commands(self, read: Read, user: str, drops: Mapping[str, Path]) -> dict[str, str]:
        """Return what to type next, by what it is for."""
        of_kinds = " ".join(f"--{kind} {quote(str(path))}" for kind, path in drops.items() if kind != "settings")
        folder = quote(str(drops["settings"].parent))
        commands = {
            Text("start.next.evaluate", "what quality to expect"): (
                f"python -m local evaluate {of_kinds} --settings {quote(str(read.settings))}"
            ),
            Text("start.next.report", "what came, and what was left out"): f"python -m local report {self.shop}",
            Text("start.next.recommend", "a user's list"): f"python -m local recommend {self.shop} {quote(user)}",
            Text("start.next.open", "its runs, reports and customers on one page"): "python -m local open",
            Text("start.next.storefront", "the shop again"): f"python -m local storefront --shop {self.shop}",
            Text("start.next.aws", "on AWS"): f"aws s3 sync {folder} s3://BUCKET/drops/{self.shop}/",
        }
        return {purpose: self.terminal.words(command) for purpose, command in commands.items()}

    def show(self, user: str, answer: Answer, commands: Mapping[str, str]) -> None:
        terminal = self.terminal
        if {item.get("source") for item in answer.body["items"]} <= {"bestsellers", "popular"}:
            terminal.heading(Text("start.sells-most", "What sells most"))
        else:
            terminal.heading(Text("start.first-list", "Ten recommendations for {user}", user=user))
        terminal.items(answer, "")
        terminal.heading(Text("start.next", "What next"))
        for purpose, command in commands.items():
            terminal.line(f"{terminal.words(purpose)}:\n  {command}")

    def open(self, state: State) -> None:
        """Serve the shop's storefront until Ctrl-C, or until the cloud goes down."""
        stored = server.Records(state, self.shop)
        mark = stored.mark()
        front = server.open_shop(state, self.shop)
        with server.serving(front) as address, suppress(KeyboardInterrupt):
            self.terminal.line(
                self.terminal.words(Text("start.open", "The shop is open until Ctrl-C: {address}", address=address))
            )
            server.follow(front, stored, mark, lambda: running(self.home) is not None)


def begun(work: Callable[[], T]) -> Future[T]:
    """Begin work beside the command's own, which need not wait for it when somebody interrupts the command."""
    future = Future[T]()

    def play() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever waits for it is told
            future.set_exception(error)

    threading.Thread(target=play, daemon=True).start()
    return future


def lay_out(folder: Path, settings: str, whole: Mapping[DataKind, Path]) -> dict[str, Path]:
    """Lay out the folder of what is dropped, which `aws s3 sync` uploads as it is; return its files by kind.

    A link stands for the `whole` file of a kind.
    """
    folder.mkdir(exist_ok=True)
    _write(folder / "settings.yaml", settings)
    drops: dict[str, Path] = {"settings": folder / "settings.yaml"}
    for kind in (*FIRST, "interactions"):
        for old in (folder / kind).glob("*"):
            old.unlink()
        if kind in whole:
            source = whole[kind].resolve()
            name = source.name if source.is_dir() or keys.has_ending(source.name) else f"{source.name}.csv"
            (folder / kind).mkdir(exist_ok=True)
            drops[kind] = folder / kind / name
            drops[kind].symlink_to(source)
    return drops


def _quiet(_table: str, _rows: int) -> None:
    """Take progress where a spinner shows that work goes on."""


def _why(run: Run) -> str:
    return f"{run.output.get('outcome')} {run.output.get('reason') or ''}".strip()


def _name(digests: Mapping[str, str]) -> str:
    """Return a digest of the files' names and bytes."""
    return hashlib.sha256(json.dumps(sorted(digests.items())).encode()).hexdigest()[:16]


def _parsed(path: Path, text: str) -> ShopSettings:
    name = "settings.json" if path.suffix == ".json" else "settings.yaml"
    try:
        return parse(name, text)
    except Rejected as refused:
        raise BadFile(Text.joined(": ", [str(path), refused.reason])) from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(f"{path}: {error}") from None


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    scratch = path.with_name(f".{path.name}.new")
    try:
        scratch.write_text(text, encoding="utf-8")
        scratch.replace(path)
    except OSError as error:
        problem = "{path} cannot be written: {error}; name another file with --write"
        raise BadFile(Text("start.unwritable", problem, path=path, error=error.strerror or error)) from None
