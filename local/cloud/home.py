# SPDX-License-Identifier: Apache-2.0
"""The folder of one local cloud, what runs in it, and what its processes see.

Everything of one cloud is in one folder (:class:`Home`, ``.local/run`` by default)::

    state.json   what runs and where it answers; written whole; absent when nothing runs
    credentials  the access key of the local AWS, as AWS's tools read it; made once for each cloud
    *.log        the output of each process, of the build and of the deployment
    data/        what survives `down`: the local AWS's state and objects, and the engine's; they belong together
    tmp/         temporary files of the processes

Only its owner can open the folder.
"""

import configparser
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import psutil

from local.cloud.environments import LOCAL, LocalError

if TYPE_CHECKING:
    from botocore.config import Config

REGION = "us-east-1"
ACCOUNT = "000000000000"
MARK = "RETAIL_LOCAL_CLOUD"
"""Environment variable of every process of a cloud; its value is the cloud's folder."""


class NotRunningError(LocalError):
    """A command needs the local cloud, and it is not running."""

    code = 3

    def __init__(self) -> None:
        super().__init__("the local cloud is not running: start it with `python -m local up`")


@dataclass(frozen=True, slots=True)
class Process:
    """A started process: its log's name, its id, and its start time, which tells it from a later one of that id."""

    name: str
    pid: int
    started: float

    def alive(self) -> bool:
        """Whether this very process still runs."""
        try:
            process = psutil.Process(self.pid)
            return abs(process.create_time() - self.started) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


@dataclass(frozen=True, slots=True)
class State:
    """A running cloud: addresses of the local AWS and the engine, processes; the stack's outputs, its APIs and key."""

    endpoint: str
    engine: str
    processes: tuple[Process, ...]
    stack: str = "retail"
    incremental_bytes: int = 10**9
    """The quota of an incremental import, which both the engine and the stack know."""
    outputs: dict[str, str] = field(default_factory=dict)
    api: str = ""
    key: str = ""
    browser_api: str = ""
    access_key: str = "test"
    secret_key: str = "test"  # noqa: S105 - what a local AWS took before each had a key of its own


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of one cloud; several may run side by side in folders of their own."""

    run: Path = LOCAL / "run"

    @property
    def data(self) -> Path:
        """What survives `down`."""
        return self.run / "data"

    @property
    def saved(self) -> Path:
        """The saved state of the local AWS; see :mod:`local.cloud.saved`."""
        return self.data / "aws"

    def log(self, name: str) -> Path:
        """The log called `name`."""
        return self.run / f"{name}.log"

    def access_key(self) -> tuple[str, str]:
        """The id and the secret of the local AWS's access key, made when first asked for."""
        file, profile = self.run / "credentials", configparser.ConfigParser(interpolation=None)
        profile.read(file)
        if not profile.has_option("default", "aws_secret_access_key"):
            made = {
                # No scanner of secrets takes it for a key of AWS's own.
                "aws_access_key_id": f"LOCAL{secrets.token_hex(8).upper()}",
                "aws_secret_access_key": secrets.token_urlsafe(30),
            }
            profile.read_dict({"default": made})
            with self.private("credentials").open("w") as scratch:
                profile.write(scratch)
            Path(scratch.name).replace(file)
        file.chmod(0o600)
        return profile["default"]["aws_access_key_id"], profile["default"]["aws_secret_access_key"]

    def private(self, name: str) -> Path:
        """An empty file that only its owner can open; it takes the place of the file `name` when it is whole."""
        scratch = self.run / f"{name}.new"
        scratch.unlink(missing_ok=True)
        scratch.touch(mode=0o600)
        return scratch

    def make_private(self) -> None:
        """Make the folders, and shut them to the other users of this machine, whatever they were before."""
        for folder in (self.run, self.data, *(self.data / name for name in ("aws", "objects", "engine"))):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
        kept = (self.data / "aws").glob("**/*")
        for secret in [path for path in (*kept, self.data / "login.jwk") if path.is_file()]:
            secret.chmod(0o600)

    def read(self) -> State | None:
        """The state as last written, whether or not it still holds."""
        try:
            content = json.loads((self.run / "state.json").read_text())
        except (FileNotFoundError, ValueError):
            return None
        return State(**content | {"processes": tuple(Process(**process) for process in content["processes"])})

    def write(self, state: State) -> None:
        """Replace the state in one step."""
        scratch = self.private("state.json")
        scratch.write_text(json.dumps(asdict(state), indent=2))
        scratch.replace(self.run / "state.json")

    def forget(self) -> None:
        """Remove the state: nothing runs."""
        (self.run / "state.json").unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One `up` or `down` at a time.

        Raises:
            LocalError: another one is at work.
        """
        self.run.mkdir(parents=True, exist_ok=True)
        with (self.run / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LocalError("another `up` or `down` is at work on this cloud: wait for it") from None
            yield


def running(home: Home) -> State | None:
    """The state of the cloud if it is deployed and all its processes live."""
    state = home.read()
    whole = state is not None and bool(state.outputs) and all(process.alive() for process in state.processes)
    return state if whole else None


def require(home: Home) -> State:
    """The running cloud's state.

    Raises:
        NotRunningError: it is not running.
    """
    state = running(home)
    if state is None:
        raise NotRunningError
    return state


def process_environment(home: Home, state: State) -> dict[str, str]:
    """What the processes see, and through the local AWS the functions: nothing of the operator's own AWS settings."""
    passed = {key: value for key in ("PATH", "HOME", "LANG", "LC_ALL", "TZ") if (value := os.environ.get(key))}
    return (
        passed
        | client_environment(state)
        | {
            MARK: str(home.run.resolve()),
            "TMPDIR": str(home.run.resolve() / "tmp"),
            "GATEWAY_PORT": state.endpoint.rpartition(":")[2],
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "AUTH": "true",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(home.saved.resolve()),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(home.data.resolve() / "objects"),
            # Of each function's warm processes all but one end after this time, so that a burst's memory is given back.
            "LAMBDA_WARM_TTL_SECONDS": "20",
            # PollSeconds is a whole number of seconds; nothing here takes that long.
            "SFN_WAIT_SCALE": "0.25",
            # No other listeners, and no hand on the containers of this machine.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": "unix:///nonexistent",
            # Freed buffers of large objects go back to the system (glibc): a tenth of the peak.
            "MALLOC_ARENA_MAX": "2",
            "MALLOC_MMAP_THRESHOLD_": "131072",
        }
    )


def client_environment(state: State) -> dict[str, str]:
    """Variables by which any AWS SDK or CLI talks to this cloud instead of AWS."""
    engine = {
        f"AWS_ENDPOINT_URL_{name}": state.engine
        for name in ("PERSONALIZE", "PERSONALIZE_RUNTIME", "PERSONALIZE_EVENTS")
    }
    return (
        {"AWS_ACCESS_KEY_ID": state.access_key, "AWS_SECRET_ACCESS_KEY": state.secret_key}
        | engine
        | {
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
    )


class Access(TypedDict):
    """Keyword arguments by which `boto3.client` reaches the local AWS."""

    endpoint_url: str
    region_name: str
    aws_access_key_id: str
    aws_secret_access_key: str
    config: "Config"


def access(state: State, *, engine: bool = False) -> Access:
    """What `boto3.client` needs for the local AWS, or for the engine of this cloud.

    Proxies of the operator are left out: nothing leaves the machine.
    """
    from botocore.config import Config  # noqa: PLC0415 - a tenth of a second that `--help` need not wait for

    return {
        "endpoint_url": state.engine if engine else state.endpoint,
        "region_name": REGION,
        "aws_access_key_id": state.access_key,
        "aws_secret_access_key": state.secret_key,
        "config": Config(proxies={}, connect_timeout=5, read_timeout=60, inject_host_prefix=False),
    }


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log and where to find the rest."""
    text = log.read_text(errors="replace").splitlines()[-lines:] if log.exists() else []
    return "\n".join([*(f"  | {line}" for line in text), f"  (all of it: {log})"])
