# SPDX-License-Identifier: Apache-2.0
"""The folder of one local cloud, its state, and how clients reach it.

Everything of one cloud is in one folder (:class:`Home`, ``.local/run`` by default)::

    state.json   what runs and where it answers; written whole; absent when nothing runs
    credentials  the access key of the local AWS, as AWS's tools read it; made once for each cloud
    demo         held by a running demo; names the processes of the cloud that it started
    *.log        the output of each process, of the build and of the deployment
    starts/      what `start` has done, a folder for each shop
    data/        what survives `down`: the local AWS's state and objects, and the engine's; they belong together
    tmp/         temporary files of the processes

Only its owner can open the folder.
"""

import configparser
import fcntl
import hmac
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import psutil
from table_intake.wording import Text

from local.cloud.aws import DOCS
from local.cloud.environments import LOCAL, LocalError

if TYPE_CHECKING:
    from botocore.config import Config

REGION = "us-east-1"
ACCOUNT = "000000000000"


class NotRunningError(LocalError):
    code = 3

    def __init__(self) -> None:
        super().__init__(
            Text("cloud.not-running", "the local cloud is not running: start it with `python -m local up`")
        )


@dataclass(frozen=True, slots=True)
class Process:
    """A started process: its log's name, its id, and its start time, which tells it from a later one of that id."""

    name: str
    pid: int
    started: float

    def alive(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            return abs(process.create_time() - self.started) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


@dataclass(frozen=True, slots=True)
class Watch:
    """The server of the watch page: the cloud lives without it."""

    process: Process
    port: int
    sources: str
    """The hash of the sources that started it."""


@dataclass(frozen=True, slots=True)
class State:
    """A running cloud. `endpoint` is the local AWS; `api`, `key` and `browser_api` are of the stack."""

    endpoint: str
    engine: str
    processes: tuple[Process, ...]
    stack: str = "retail"
    incremental_bytes: int = 10**9
    """The quota of an incremental import, which both the engine and the stack know."""
    part_bytes: int = 10**9
    """The bytes that one function reads of a shop's files."""
    fit_rows: int = 0
    """The interactions that one function fits a purchase likelihood on; 0 for as many as its memory holds."""
    outputs: dict[str, str] = field(default_factory=dict)
    api: str = ""
    key: str = ""
    browser_api: str = ""
    access_key: str = "test"
    secret_key: str = "test"  # noqa: S105 - what a local AWS took before each had a key of its own
    launcher: str = ""
    """The hash of the sources that started the local AWS."""
    watch: Watch | None = None

    @property
    def page_key(self) -> str:
        """Return what a browser shows to the watch page: who has it can do what this cloud's operator can."""
        return hmac.digest(self.secret_key.encode(), b"watch page", "sha256").hex()[:40]

    @property
    def page(self) -> str:
        """Return the address that opens the watch page, with its key; "" where nothing serves it."""
        return f"http://127.0.0.1:{self.watch.port}/#key={self.page_key}" if self.watch else ""

    @property
    def docs(self) -> str:
        """Return where the local AWS serves the documentation, once `make docs` has built it."""
        return f"{self.endpoint}{DOCS}"


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of one cloud; several may run side by side in folders of their own."""

    run: Path = LOCAL / "run"

    @property
    def data(self) -> Path:
        return self.run / "data"

    @property
    def aside(self) -> Path:
        """The data of a cloud whose state could not be read."""
        return self.run / "data-unreadable"

    @property
    def starts(self) -> Path:
        """A folder for each shop that `start` has begun: how far it came, and the files that it joined."""
        return self.run / "starts"

    @property
    def saved(self) -> Path:
        return self.data / "aws"

    def log(self, name: str) -> Path:
        return self.run / f"{name}.log"

    def access_key(self) -> tuple[str, str]:
        """Return the id and the secret of the local AWS's access key, made when first asked for."""
        file, profile = self.run / "credentials", configparser.ConfigParser(interpolation=None)
        if not file.exists():
            # A name that no scanner of secrets takes for a key of AWS.
            key, secret = f"LOCAL{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30)
            self._replace(file, f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
        file.chmod(0o600)
        profile.read(file)
        return profile["default"]["aws_access_key_id"], profile["default"]["aws_secret_access_key"]

    def _replace(self, file: Path, text: str) -> None:
        """Replace a file in one step by one that only its owner can open."""
        scratch = file.with_name(f"{file.name}.new")
        scratch.unlink(missing_ok=True)
        scratch.touch(mode=0o600)
        scratch.write_text(text)
        scratch.replace(file)

    def make_private(self) -> None:
        """Make the folders, and shut them to the other users of this machine, whatever they were before."""
        for folder in (self.run, self.data, *(self.data / name for name in ("aws", "objects", "engine"))):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
        for secret in (*self.saved.glob("**/*"), self.data / "login.jwk"):
            if secret.is_file():
                secret.chmod(0o600)

    def read(self) -> State | None:
        """Return the state as last written, whether or not it still holds."""
        try:
            content = json.loads((self.run / "state.json").read_text())
        except (FileNotFoundError, ValueError):
            return None
        watch = content.get("watch")
        return State(
            **content
            | {
                "processes": tuple(Process(**process) for process in content["processes"]),
                "watch": Watch(**watch | {"process": Process(**watch["process"])}) if watch else None,
            }
        )

    def write(self, state: State) -> None:
        self._replace(self.run / "state.json", json.dumps(asdict(state), indent=2))

    def forget(self) -> None:
        (self.run / "state.json").unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one `up` or `down` at a time do its work."""
        self.run.mkdir(parents=True, exist_ok=True)
        with (self.run / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                text = "another `up` or `down` is at work on this cloud: wait for it"
                raise LocalError(Text("cloud.at-work", text)) from None
            yield


def running(home: Home) -> State | None:
    """Return the state of the cloud if it is deployed and all its processes live."""
    state = home.read()
    whole = state is not None and bool(state.outputs) and all(process.alive() for process in state.processes)
    return state if whole else None


def require(home: Home) -> State:
    """Return the running cloud's state. Raises NotRunningError."""
    state = running(home)
    if state is None:
        raise NotRunningError
    return state


def client_environment(state: State) -> dict[str, str]:
    """Return the variables by which any AWS SDK or CLI talks to this cloud instead of AWS."""
    return {
        "AWS_ACCESS_KEY_ID": state.access_key,
        "AWS_SECRET_ACCESS_KEY": state.secret_key,
        "AWS_ENDPOINT_URL_PERSONALIZE": state.engine,
        "AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME": state.engine,
        "AWS_ENDPOINT_URL_PERSONALIZE_EVENTS": state.engine,
        "AWS_ENDPOINT_URL": state.endpoint,
        "AWS_ENDPOINT_URL_S3": state.endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


class Access(TypedDict):
    """Keyword arguments by which `boto3.client` reaches the local AWS."""

    endpoint_url: str
    region_name: str
    aws_access_key_id: str
    aws_secret_access_key: str
    config: "Config"


def access(state: State, *, engine: bool = False) -> Access:
    """Return what `boto3.client` needs for the local AWS, or for the engine of this cloud, past any proxy."""
    from botocore.config import Config  # noqa: PLC0415 - a tenth of a second that `--help` need not wait for

    return {
        "endpoint_url": state.engine if engine else state.endpoint,
        "region_name": REGION,
        "aws_access_key_id": state.access_key,
        "aws_secret_access_key": state.secret_key,
        "config": Config(proxies={}, connect_timeout=5, read_timeout=60, inject_host_prefix=False),
    }


def tail(log: Path, lines: int = 15) -> str:
    """Return the last lines of a log and where to find the rest."""
    text = log.read_text(errors="replace").splitlines()[-lines:] if log.exists() else []
    return "\n".join([*(f"  | {line}" for line in text), f"  (all of it: {log})"])
