# SPDX-License-Identifier: Apache-2.0
"""Python functions in processes of this machine, under AWS's runtime interface client or our own."""

import fcntl
import hashlib
import importlib.metadata
import io
import logging
import os
import shlex
import shutil
import sys
import tempfile
import threading
import zipfile
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from ministack.core import lambda_runtime
from ministack.services import lambda_svc
from personalize_local.server import origins

from local.cloud.aws import CLIENT
from local.cloud.aws.memory import watch
from local.cloud.aws.patching import Function, Json, wrapping
from local.cloud.environments import LOCAL

TURN_SECONDS = 5
"""How long a call of a function waits behind others of it, at most."""
AWS: Final = "awslambdaric"
PYTHON: Final = "runtime_interface_client"
"""The modules of the two clients; PYTHON needs no native build."""
NEEDED: Final = {AWS: (AWS, "simplejson", "snapshot-restore-py"), PYTHON: ("simplejson",)}
"""The distributions that each client consists of."""
BUILT: Final = LOCAL / "build" / "sam"
"""What was built last, and its archives, which have a hash of their content in their names."""
_unpacking = threading.Lock()
_folders: dict[str, str] = {}
"""Where each layer's version is unpacked, by its ARN."""
log = logging.getLogger("launcher")


class PythonWorker(lambda_runtime.ProvidedWorker):  # type: ignore[misc]
    """A warm Python function under a runtime interface client, in place of ministack's, which loses error names."""

    def __init__(self, name: str, config: dict[str, Any], code: bytes) -> None:
        folders = [f"{folder}/python" for layer in config.get("Layers", []) if (folder := unpacked(layer))]
        super().__init__(name, config, with_bootstrap(code, [*folders, str(runtime_folder())]))

    def invoke(self, event: Json, request_id: str, **more: Any) -> Json:  # noqa: ANN401 - ministack's
        def find() -> int | None:
            process = self._proc
            return process.pid if process is not None else None

        with watch().held(find, int(self.config.get("MemorySize") or 128)) as call:
            answer: Json = super().invoke(event, request_id, **more)
        if not call.killed:
            return answer
        message = f"RequestId: {request_id} Error: Runtime exited with error: signal: killed"
        told = {"errorType": "Runtime.OutOfMemory", "errorMessage": message}
        return answer | {"status": "error", "error": message, "error_payload": told}

    def _build_handler_class(self, generation: int, pending: object) -> type:
        handler: Any = super()._build_handler_class(generation, pending)

        class OwnClients(handler):  # type: ignore[misc]
            """The Runtime API for the function's own process: what a web page asks here gets no event."""

            # Head and body in one segment: as two, each waits 40 ms for the other's acknowledgement.
            wbufsize = -1

            def parse_request(self) -> bool:
                if not super().parse_request():
                    return False
                refused = origins.refusal(*map(self.headers.get, ("Host", "Origin", "Sec-Fetch-Site")))
                if refused:
                    self.send_error(403, explain=refused)
                return not refused

        return OwnClients

    def _drain_stderr_bounded(self, first_line_wait: float = 0.003, **bounds: float) -> str:
        return str(super()._drain_stderr_bounded(first_line_wait=first_line_wait, **bounds))


def unpacked(layer: Json | str) -> str:
    """Return the folder of a layer: links to what was built, if that is what its archive holds, else the archive's.

    To unpack all layers takes a processor several seconds, while the first function waits. A version of a layer never
    changes.
    """
    arn = layer if isinstance(layer, str) else str(layer.get("Arn"))
    with _unpacking:
        if not Path(_folders.get(arn, "/nothing")).exists():
            content = lambda_svc._resolve_layer_zip(layer)
            _folders[arn] = _unpack(content) if content else ""
        return _folders[arn]


def _unpack(content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()[:16]
    folder = Path(tempfile.gettempdir(), f"layers-{os.getpid()}", digest)
    if folder.exists() or _link(digest, folder):
        return str(folder)
    return str(lambda_svc._docker_extracted_dir(content, "layer"))


def _link(digest: str, folder: Path) -> bool:
    """Make a folder of links to the built layer of this archive, unless there is none. A build is waited for."""
    if not BUILT.exists():
        return False
    scratch = folder.with_suffix(".part")
    with (BUILT.parent / "lock").open("a") as lock, suppress(OSError, shutil.Error):
        fcntl.flock(lock, fcntl.LOCK_SH)
        archive = next(BUILT.glob(f"*-{digest}.zip"), None)
        if archive is None:
            return False
        shutil.copytree(BUILT / archive.name.rpartition("-")[0], scratch, copy_function=os.link)
        scratch.rename(folder)
        return True
    shutil.rmtree(scratch, ignore_errors=True)
    return False


def with_bootstrap(code: bytes, search_path: list[str]) -> bytes:
    """Return the function's zip with a ``bootstrap`` that starts its handler on this interpreter."""
    script = (
        f"#!/bin/sh\nexport PYTHONPATH={shlex.quote(os.pathsep.join(search_path))} PYTHONDONTWRITEBYTECODE=1\n"
        f'exec {shlex.quote(sys.executable)} -S -m {client()} "$_HANDLER"\n'
    )
    package = io.BytesIO(code)
    with zipfile.ZipFile(package, "a") as archive:
        archive.writestr("bootstrap", script)
    return package.getvalue()


def client() -> str:
    """Return the client that :data:`CLIENT` asks for, else AWS's where it is installed, else our own."""
    chosen = os.environ.get(CLIENT)
    if chosen and chosen not in NEEDED:
        raise SystemExit(f"{CLIENT} is {chosen}, and can be {' or '.join(NEEDED)}")
    try:
        importlib.metadata.distribution(AWS)
    except importlib.metadata.PackageNotFoundError:
        if chosen == AWS:
            raise SystemExit(f"{CLIENT} asks for {AWS}, which has no wheel for this machine") from None
        return PYTHON
    return chosen or AWS


def runtime_folder() -> Path:
    """Return a folder of the client alone, so that functions find no package that AWS would not give them."""
    folder = Path(tempfile.gettempdir(), f"lambda-runtime-{os.getpid()}")
    if not folder.exists():
        folder.mkdir(parents=True)
        for package in NEEDED[client()]:
            distribution = importlib.metadata.distribution(package)
            for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
                (folder / top).symlink_to(Path(str(distribution.locate_file(top))))
        if client() == PYTHON:
            (folder / f"{PYTHON}.py").symlink_to(Path(__file__).with_name(f"{PYTHON}.py"))
    return folder


def install() -> None:
    """Give every Python function a :class:`PythonWorker`, whatever Python version its Runtime names.

    One function has as many calls at a time as there are processors; the others wait for their turn, which saves
    memory, but TURN_SECONDS at most: one shop's large file must not hold up another's.
    """
    runtime_folder()
    log.info("functions run under %s", client())
    execute = lambda_svc._execute_function_provided_warm
    turns: defaultdict[str, threading.Semaphore] = defaultdict(lambda: threading.Semaphore(max(2, os.cpu_count() or 2)))

    @wrapping(lambda_runtime, "_worker_class_for")
    def worker_class(stock: Function, config: Json) -> object:
        return PythonWorker if str(config.get("Runtime", "")).startswith("python") else stock(config)

    @wrapping(lambda_svc, "_execute_function_warm")
    def in_turn(_stock: Function, function: Json, event: object, request_id: str) -> object:
        turn = turns[(function.get("config") or function)["FunctionArn"]]
        in_time = turn.acquire(timeout=TURN_SECONDS)
        try:
            return _named(execute(function, event, request_id))
        finally:
            if in_time:
                turn.release()


def _named(answer: Json) -> Json:
    """Return the answer of a function; AWS has one name for those that die, while they start as well."""
    body = answer.get("body")
    if isinstance(body, dict) and "exited during init" in str(body.get("errorMessage")):
        return answer | {"body": body | {"errorType": "Runtime.ExitError"}}
    return answer
