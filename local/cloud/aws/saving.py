# SPDX-License-Identifier: Apache-2.0
"""Save the state of the local AWS while it runs, and load it again, as the files of :mod:`local.cloud.saved`.

A forked copy of the process writes everything as it was at one moment, while requests go on: after each deployment and
run, every half minute with a change, and at the end. A journal has what came since: a write to a table, a queue or a
schedule is written down before it is made, so that none that was answered is lost when the process is killed, and none
is made that the disk does not take.
"""

import asyncio
import base64
import contextlib
import copy
import gc
import hashlib
import json
import logging
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn

from ministack import app
from ministack.core import persistence
from ministack.core.arn import parse_arn
from ministack.core.responses import AccountRegionScopedDict, get_account_id, get_region, request_scope
from ministack.services import cloudformation, dynamodb, lambda_svc, sqs, stepfunctions

from local.cloud import saved
from local.cloud.aws import distributed_map
from local.cloud.aws.journal import Journal
from local.cloud.aws.patching import Answer, Function, Json, wrapping
from local.cloud.environments import WAY_OUT, LocalError

EVERY: Final = 30.0
"""The seconds within which a change is saved."""
PAUSE: Final = 20.0
"""A save is followed by a pause of so many times its length, and of a second at least, but of EVERY at most."""
LONGEST: Final = 120
"""The seconds that a copy may take."""
JOURNALED: Final = frozenset({"dynamodb", "sqs", "scheduler", "secretsmanager"})
"""Services whose changes functions make and answer for."""
READS: Final = ("Get", "List", "Describe", "Query", "Scan", "BatchGet", "TransactGet", "Receive", "Head")
UNREPEATABLE: Final = ("DeleteMessage", "ChangeMessageVisibility")
"""Changes that name a message by a handle, which a restart makes invalid: the message comes again, as SQS allows."""
STOPPED: Final = "States.ServiceRestart"
CAUSE: Final = "the local AWS was stopped while this execution ran"
LEFT: Final = "left"
"""The service under which the state keeps what the last sessions left and no service has loaded yet."""
STREAMS: Final = "streams"
"""The service under which the state keeps the undelivered records of tables' streams, which ministack forgets."""
log = logging.getLogger("launcher")


class Saver:
    def __init__(self, folder: Path) -> None:
        """Read what was saved last. Raises SystemExit with the reason where it cannot be used."""
        self.folder = folder
        try:
            self._last_session = saved.read(folder)
            for name, version in self._last_session.header.get("versions", {}).items():
                newest = persistence._state_format_version(name)
                if version > newest or name not in {*app._state_map, STREAMS, LEFT}:
                    reason = f"{name} has version {version}; this ministack knows {newest}"
                    raise saved.UnreadableError(saved.state(folder, self._last_session.number), reason, WAY_OUT)
        except LocalError as error:
            raise SystemExit(str(error)) from None
        self.left = _nothing_left()
        """State of the last sessions that no service has loaded yet."""
        self.number = 0
        """The number of the newest journal."""
        self.at = 0.0
        """When the newest state was saved."""
        self.failure = ""
        """Why the last save failed; "" where it did not."""
        self.changed = True
        self._journal: Journal | None = None
        self._lock = threading.Lock()
        self._idle = threading.Event()
        self._idle.set()
        self._saving = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def load(self) -> None:
        """Restore what the last session left, note which executions it stopped, and go on saving."""
        loaded, self._last_session = self._last_session, saved.Saved()
        for name in loaded.services:
            if name not in {"lambda", LEFT}:
                _load(name, loaded)
        for entry in loaded.journal:
            _repeat(entry)
        # Give messages out again that a function of an ended session was handling.
        for queue in sqs._queues.all_values():
            for message in queue["messages"]:
                if message["receipt_handle"] is not None:
                    message |= {"receipt_handle": None, "visible_at": time.time()}
        # Last: with its functions its pollers begin to work on everything else.
        _load("lambda", loaded)
        if LEFT in loaded.services:
            self.left = json.loads(loaded.services[LEFT])
        if not loaded.clean and not self.left["killed"]:
            self.left |= {"killed": True, "since": loaded.at}
        self.left["stopped"] += _stopped()
        self.number, self.at = loaded.last + 1, loaded.at
        self._journal = Journal(saved.journal(self.folder, self.number))
        self._loop = asyncio.get_running_loop()
        self._wanted.set()
        self._task = self._loop.create_task(self._go_on())

    def note(self, entry: Json) -> Callable[[], object]:
        """Write a change down before it is made; return what takes it back where nothing comes of it.

        Raises:
            OSError: the disk does not take it.
        """
        line = json.dumps(entry | {"account": get_account_id(), "region": get_region()}).encode() + b"\n"
        with self._lock:
            self.changed = True
            if self._journal is None:
                return nothing
            # What another record follows stays in the journal, and comes to nothing again.
            return partial(self._journal.take_back, self._journal.write(line))

    def ask(self) -> None:
        """Have the state saved soon; any thread may call this."""
        self.changed = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wanted.set)

    async def _go_on(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), EVERY)
            self._wanted.clear()
            began = time.monotonic()
            try:
                await self.save()
            except Exception:  # whatever it is, the next save is due in half a minute
                log.exception("the state could not be saved")
            await asyncio.sleep(max(1.0, min(EVERY, PAUSE * (time.monotonic() - began))))

    async def save(self) -> None:
        """Save the state as it is now, unless nothing changed or a stack is changing."""
        async with self._saving:
            if self.changed and not _deploying():
                await asyncio.to_thread(self._finish, *self._fork())

    def close(self) -> None:
        """Save for the last time; the next session finds no journal."""
        self._idle.wait()
        if _deploying():
            log.warning("stopped during a deployment: the state stays as it was before it")
            return
        self._finish(*self._fork(last=True))

    def _fork(self, *, last: bool = False) -> tuple[int, int, int, float]:
        """Fork a copy of this process that writes the state; return its number, process id, pipe and time.

        This runs in the thread of all handlers: none of them is half done.
        """
        self._idle.clear()
        reading, writing = os.pipe()
        try:
            with self._lock:
                number, now = self.number + 1, time.time()
                following = None if last else Journal(saved.journal(self.folder, number))
                self.changed = False
                child = os.fork()
                if child == 0:
                    _write_and_exit(self.folder, number, now, self.left, writing)
                before, self._journal, self.number = self._journal, following, number
        except BaseException:
            os.close(reading)
            self._idle.set()
            raise
        finally:
            os.close(writing)
        if before is not None:
            before.close()
        return number, child, reading, now

    def _finish(self, number: int, child: int, pipe: int, now: float) -> None:
        """Wait for a copy; when its state is complete, remove what it replaces."""
        try:
            with os.fdopen(pipe, "rb") as results:
                answer = results.read()
            os.waitpid(child, 0)
            result: Json = json.loads(answer or b'{"failure": "the copy that saves it was killed"}')
            self.failure = str(result.get("failure", ""))
            if self.failure:
                self.changed = True
                log.error("the state could not be saved: %s", self.failure)
                return
            self.at = now
            saved.prune(self.folder, number, result["code"])
            log.info("state saved: %d KB, %.2f s", result["bytes"] // 1000, time.time() - now)
        finally:
            self._idle.set()

    async def answer(self, method: str, _path: str, _body: bytes) -> tuple[int, object]:
        """Answer a request to the door :data:`local.cloud.aws.SAVED`."""
        if method == "POST":
            self.changed = True
            await self.save()
        if method == "DELETE":
            self.left = _nothing_left()
            self.changed = True
        return 200, {"left": self.left, "at": self.at, "failure": self.failure}


def _nothing_left() -> Json:
    """Executions that ran when a session ended, whether one was killed, and since when something may be missing."""
    return {"stopped": [], "killed": False, "since": 0.0}


def install(folder: Path) -> Saver:
    """Load and save by these files in place of ministack's, and write down what changes meanwhile."""
    warnings.filterwarnings("ignore", message=".*use of fork.*", category=DeprecationWarning)
    saver = Saver(folder)
    app._load_persisted_state = saver.load
    app.save_all = lambda _services: saver.close()
    for service in app.SERVICE_HANDLERS:
        _noted(saver, service)

    @wrapping(stepfunctions, "_emit_execution_status_event")
    def emitted(stock: Function, execution: Json) -> None:
        if not execution.get("sync"):
            try:
                saver.note({"execution": {name: value for name, value in execution.items() if name != "events"}})
            except OSError:
                if len(execution["events"]) == 1:
                    stepfunctions._executions.pop(execution["executionArn"], None)
                    raise
                log.exception("an execution could not be written down")
            if execution["status"] != "RUNNING":
                saver.ask()
        stock(execution)

    @wrapping(stepfunctions, "_start_execution")
    def started(stock: Function, data: Json) -> object:
        try:
            return stock(data)
        except OSError as error:
            return stepfunctions.error_response_json("InternalServerError", _unwritten(error), 500)

    @wrapping(lambda_svc, "_execute_function_warm")
    def executed(stock: Function, function: Json, event: object, request_id: str) -> object:
        saver.changed = True  # functions log
        answer: object = stock(function, event, request_id)
        saver.changed = True
        return answer

    return saver


def _noted(saver: Saver, service: str) -> None:
    """Note the changes of a service: those of some in the journal, those of all others as a reason to save."""

    @wrapping(app.SERVICE_HANDLERS, service)
    async def handle(
        stock: Function, method: str, path: str, headers: dict[str, str], body: bytes | str, query: Json
    ) -> Answer:
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        reads = method in {"GET", "HEAD"} or operation.startswith(READS)
        take_back: Callable[[], object] = nothing
        if service in JOURNALED and not reads and not operation.startswith(UNREPEATABLE):
            passed_on = {name: headers[name] for name in ("x-amz-target", "content-type", "host") if name in headers}
            content = base64.b64encode(body if isinstance(body, bytes) else body.encode()).decode()
            change = {"service": service, "method": method, "path": path, "headers": passed_on, "body": content}
            try:
                take_back = saver.note(change | {"query": query})
            except OSError as error:
                log.exception("a change could not be written down")
                failure = {"__type": "InternalServerError", "message": _unwritten(error)}
                return 500, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(failure)
        answer: Answer = await stock(method, path, headers, body, query)
        if answer[0] >= 300:
            take_back()
        elif not reads:
            saver.changed = True
        return answer


def nothing() -> None:
    """Take nothing back."""


def _unwritten(error: OSError) -> str:
    return f"the local AWS cannot write, and has changed nothing: {error.strerror}"


def _deploying() -> bool:
    """Tell whether a stack is changing: until the change is complete, the state before it counts."""
    return any(str(stack.get("StackStatus")).endswith("_IN_PROGRESS") for stack in cloudformation._stacks.all_values())


def _write_and_exit(folder: Path, number: int, now: float, left: Json, pipe: int) -> NoReturn:
    """Write the state in the forked copy, send the result through the pipe, and end without any clean-up."""
    result: Json = {"failure": "it was interrupted"}
    try:
        gc.disable()
        signal.set_wakeup_fd(-1)
        for interruption in (signal.SIGTERM, signal.SIGINT):
            signal.signal(interruption, signal.SIG_DFL)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(LONGEST)
        # Connections and sockets belong to the other process, which they would outlive here.
        os.dup2(pipe, 3)
        for descriptor in [int(path.name) for path in Path("/dev/fd").iterdir()]:
            if descriptor > 3:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        os.nice(5)
        result = _written(folder, number, now, left)
    except BaseException as error:  # noqa: BLE001 - the other process tells it
        result = {"failure": f"{type(error).__name__}: {error}"}
    finally:
        with contextlib.suppress(OSError):
            os.write(3, json.dumps(result).encode())
        os._exit(0)


def _written(folder: Path, number: int, now: float, left: Json) -> Json:
    code: set[str] = set()
    (folder / saved.CODE).mkdir(exist_ok=True)

    def keep(content: bytes, sha: str = "") -> str:
        sha = sha or hashlib.sha256(content).hexdigest()
        code.add(sha)
        path = folder / saved.CODE / f"{sha}.zip"
        if not path.exists():
            scratch = path.with_suffix(".part")
            saved.write_whole(scratch, content)
            scratch.rename(path)
        return sha

    # No other process sees this memory, so nothing has to be copied first.
    copy.deepcopy = lambda value, _memo=None: value  # type: ignore[assignment, misc]
    lambda_svc._write_code_blob, lambda_svc._prune_orphan_code_blobs = keep, lambda _referenced: None
    for version in _layer_versions(lambda_svc._layers):
        content = version["_zip_data"]
        if isinstance(content, bytes):
            sha = base64.b64decode(version["Content"]["CodeSha256"]).hex()
            version["_zip_data"] = {lambda_svc._BLOB_REF_KEY: keep(content, sha)}
    states = {name: ask() for name, ask in app._build_persistence_save_dict().items()}
    states |= {STREAMS: _streams(), LEFT: left}
    services = {
        name: json.dumps(state, default=persistence._json_default).encode()
        for name, state in states.items()
        if state is not None
    }
    saved.synced(folder / saved.CODE)
    versions = {name: persistence._state_format_version(name) for name in services}
    saved.write(folder, number, {"at": now, "code": sorted(code), "versions": versions}, services)
    return {"bytes": sum(map(len, services.values())), "code": sorted(code)}


def _layer_versions(layers: Any) -> list[Json]:  # noqa: ANN401 - a container of ministack's
    return [version for layer in layers.all_values() for version in layer["versions"]]


def _streams() -> Json:
    """Return the records of each table's stream that one of its functions has not received, and where they begin."""
    records, trimmed = AccountRegionScopedDict(), AccountRegionScopedDict()
    for key, records_of_stream in dynamodb._stream_records.all_items():
        begins = dynamodb._stream_trimmed.get_scoped(*key, 0)
        given = [position for position in _positions(key[2]) if position >= begins]
        first = min(given, default=begins)
        records.set_scoped(*key, records_of_stream[first - begins :])
        trimmed.set_scoped(*key, first)
    return {"records": records, "trimmed": trimmed, "counter": dynamodb._stream_seq_counter}


def _positions(table: str) -> list[int]:
    """Return how far the functions that follow a table's stream have read; [] where one has not begun."""
    following = []
    for key, mapping in lambda_svc._esms.all_items():
        source = parse_arn(mapping["EventSourceArn"])
        if source.service == "dynamodb" and source.resource.split("/")[1] == table:
            following.append(lambda_svc._dynamodb_stream_positions.get_scoped(*key, -1))
    return [] if -1 in following else following


def _load(name: str, state_files: saved.Saved) -> None:
    if name not in state_files.services:
        return
    state = json.loads(state_files.services[name], object_hook=persistence._json_object_hook)
    if name == STREAMS:
        dynamodb._stream_records.update(state["records"])
        dynamodb._stream_trimmed.update(state["trimmed"])
        dynamodb._stream_seq_counter = state["counter"]
    elif state:
        if name == "lambda":
            _bring_code(Path(persistence.STATE_DIR) / saved.CODE, state)
        app._get_module(app._state_map[name]).load_persisted_state(state)


def _bring_code(folder: Path, state: Json) -> None:
    """Replace references by their code; equal code is in memory once."""
    codes: dict[str, bytes] = {}

    def code(reference: object) -> object:
        sha = reference.get(lambda_svc._BLOB_REF_KEY) if isinstance(reference, dict) else None
        if sha is None:
            return reference
        if sha not in codes:
            codes[sha] = (folder / f"{sha}.zip").read_bytes()
        return codes[sha]

    for version in _layer_versions(state["layers"]):
        version["_zip_data"] = code(version["_zip_data"])
    for function in state["functions"].all_values():
        for version_of_code in (function, *function.get("versions", {}).values()):
            version_of_code["code_zip"] = code(version_of_code.get("code_zip"))


def _repeat(entry: Mapping[str, Any]) -> None:
    """Repeat a change of the journal, whose object may have gone since."""
    with request_scope(entry["account"], entry["region"]):
        if "execution" in entry:
            execution = entry["execution"]
            restored = stepfunctions._executions.setdefault(execution["executionArn"], {"events": []})
            restored.update(execution)
            if not restored["events"]:
                began = {"executionStartedEventDetails": {"input": restored["input"]}}
                stepfunctions._add_event(restored, "ExecutionStarted", began)["timestamp"] = restored["startDate"]
            return
        handler = app._get_module(app.SERVICE_REGISTRY[entry["service"]]["module"]).handle_request
        body = base64.b64decode(entry["body"])
        running = handler(entry["method"], entry["path"], dict(entry["headers"]), body, dict(entry["query"]))
        try:
            running.send(None)
        except StopIteration as done:
            if done.value[0] >= 300:
                log.warning("a change was not repeated: %s: %s", entry["headers"], done.value[2])
        except Exception:
            log.exception("a change was not repeated: %s", entry["headers"])
        else:
            running.close()


def _stopped() -> list[Json]:
    """End the executions that were running as aborted ones, and describe them."""
    running = []
    for execution in stepfunctions._executions.all_values():
        if execution["status"] != "RUNNING" and (execution["status"], execution.get("error")) != ("FAILED", STOPPED):
            continue
        execution |= {"status": "ABORTED", "error": STOPPED, "cause": CAUSE, "stopDate": stepfunctions.now_iso()}
        ended = {"executionAbortedEventDetails": {"error": STOPPED, "cause": CAUSE}}
        stepfunctions._add_event(execution, "ExecutionAborted", ended)
        if execution.get("mapRunArn"):
            continue  # its parent begins again with it
        names = ("executionArn", "stateMachineArn", "name", "input", "startDate")
        running.append({name: execution[name] for name in names})
    distributed_map.end_all()
    return running
