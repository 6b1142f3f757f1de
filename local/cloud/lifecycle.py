# SPDX-License-Identifier: Apache-2.0
"""Start and stop the local cloud: the local AWS and the embedded engine, detached, on 127.0.0.1, awaited."""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import psutil
import urllib3
from table_intake.wording import Text

from local.cloud import deploy, environments, resuming
from local.cloud.aws import CLIENT, RIGHTS
from local.cloud.environments import REPOSITORY, LocalError, Step
from local.cloud.home import ACCOUNT, REGION, Home, Process, State, Watch, client_environment, running, tail

MARK = "RETAIL_LOCAL_CLOUD"
"""Environment variable of every process of a cloud; its value is the cloud's folder."""
TIER = "PERSONALIZE_LOCAL_TIER"
"""Variable with the tier of trainings that name none; the engine's own default is standard."""
SLOTS = "LAMBDA_ACCOUNT_CONCURRENCY"
"""Variable with the number of functions that may run at the same time, as ministack calls it."""
READY_SECONDS = 60
STOP_SECONDS = 15
DATASET_GROUPS = "500"
"""The quota of dataset groups, which on AWS is 5 and raised on request."""
FEW_BYTES = 10**6
"""The quota of an incremental import where tests make things fail: the smallest that the stack takes."""
PART_BYTES = 300_000
"""Bytes that one function reads where tests make things fail: more than most of their files have."""
FIT_ROWS = 12_000
"""Interactions that one function fits where tests make things fail: more than most of their shops have."""
CHILDREN: list[subprocess.Popen[bytes]] = []
"""Processes that this interpreter started; they outlive it."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports of 127.0.0.1; None for the last one, or a free one."""

    cloud: int | None = None
    """Of the local AWS."""
    engine: int | None = None
    watch: int | None = None
    """Of the watch page."""


ANY = Ports()


def up(
    home: Home,
    step: Step = contextlib.nullcontext,
    *,
    wanted: Ports = ANY,
    fresh: bool = False,
    faults: bool = False,
) -> tuple[State, list[str]]:
    """Bring the cloud up and its stack to what the sources say; return its state and notes for the operator.

    Args:
        home: the cloud's folder.
        step: shows each piece of work.
        wanted: the ports.
        fresh: forget everything that earlier sessions left.
        faults: open the doors by which tests make things fail, with a small quota of incremental imports.
    """
    with home.locked():
        state = None if fresh else running(home)
        if state is not None and state.launcher != launcher():
            raise LocalError(
                Text(
                    "cloud.other-version",
                    "this local cloud was started by another version: stop it with `python -m local down`, then `up` "
                    "again",
                )
            )
        notes = environments.ensure(step)
        # Processes that were just killed may have been seen alive.
        state = None if fresh else running(home)
        if state is not None:
            notes.append(Text("cloud.running", "the local cloud is already running"))
            state = watched(home, state, wanted.watch)
            state = deploy.deploy(home, state, step)
            return state, notes + resuming.resume(state, step) + unseen(home, state)
        stop(home)
        if fresh:
            notes += clear(home)
        notes += resuming.check(home)
        try:
            state = watched(home, start(home, wanted.cloud, wanted.engine, faults=faults), wanted.watch)
            deploy.build(home, step)
            with step(Text("cloud.starting", "starting the local AWS and the engine")):
                wait_ready(home, state)
            state = deploy.deploy(home, state, step)
            return state, notes + resuming.resume(state, step) + unseen(home, state)
        except BaseException:
            with uninterrupted():
                stop(home)
            raise


def clear(home: Home) -> list[str]:
    """Remove what earlier sessions left; what `up` could not read is put aside instead, and a note says where."""
    try:
        resuming.check(home)
    except LocalError:
        shutil.rmtree(home.aside, ignore_errors=True)
        home.data.rename(home.aside)
        return [f"{home.aside} has what could not be read, with the bucket's files and the engine's data"]
    shutil.rmtree(home.data, ignore_errors=True)
    return []


def launcher() -> str:
    """Return a hash of the sources that start the local AWS."""
    sources = [*sorted((REPOSITORY / "local" / "cloud" / "aws").glob("*.py")), REPOSITORY / "locks" / "cloud.txt"]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Finish cleaning up however often Ctrl-C is pressed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def down(home: Home, step: Step = contextlib.nullcontext, *, wipe: bool = False) -> list[str]:
    """Stop everything of the cloud and return the names of what ran; `wipe` also removes its data and its key."""
    with home.locked():
        with step(Text("cloud.stopping", "stopping")):
            stopped = stop(home, save=not wipe)
        if wipe:
            for folder in (home.data, home.aside, home.starts):
                shutil.rmtree(folder, ignore_errors=True)
            (home.run / "credentials").unlink(missing_ok=True)
    return stopped


def start(home: Home, cloud_port: int | None = None, engine_port: int | None = None, *, faults: bool = False) -> State:
    """Start both processes and write their state; they may not answer yet (:func:`wait_ready`)."""
    home.make_private()
    (home.run / "tmp").mkdir(exist_ok=True)
    cloud, engine = ports(home, cloud_port, engine_port)
    key, secret = home.access_key()
    state = State(
        f"http://127.0.0.1:{cloud}", f"http://127.0.0.1:{engine}", (),
        access_key=key, secret_key=secret, launcher=launcher(),
    )  # fmt: skip
    if faults:
        state = replace(state, incremental_bytes=FEW_BYTES, part_bytes=PART_BYTES, fit_rows=FIT_ROWS)
    environment, doors = process_environment(home, state), ["--faults"] if faults else []
    options = [
        f"--port={engine}",
        f"--data-dir={home.data / 'engine'}",
        f"--account-id={ACCOUNT}",
        f"--region={REGION}",
        f"--dataset-groups={DATASET_GROUPS}",
        f"--incremental-bytes={state.incremental_bytes}",
        f"--rights={state.endpoint}{RIGHTS}",
        "--strict",  # so that the state machine waits for what it would wait for on AWS
    ]
    commands = {
        "engine": [sys.executable, "-m", "local.personalize", *options, *doors],
        "cloud": [str(environments.cloud_python()), "-m", "local.cloud.aws.launcher", *doors],
    }
    started = tuple(spawn(name, command, environment, home) for name, command in commands.items())
    state = replace(state, processes=started)
    home.write(state)
    return state


def watched(home: Home, state: State, port: int | None = None) -> State:
    """Start the server of the watch page, unless these sources serve it at this port; it may not answer yet.

    Returns the state with it. Raises LocalError where the port is taken.
    """
    files = sorted((REPOSITORY / "local").glob("**/*.py"))
    sources = hashlib.sha256(b"".join(source.read_bytes() for source in files)).hexdigest()
    before = state.watch
    stays = port is None or (before is not None and port == before.port)
    if before and before.process.alive() and stays and before.sources == sources:
        return state
    if port is not None and not stays and not free(port):
        raise LocalError(f"port {port} is taken: choose another, or leave the option out to get a free one")
    if before and before.process.alive():
        end(family_of(before.process.pid))
    memory = home.data / "watch-port"
    last = int(memory.read_text()) if memory.exists() else 0
    with socket.create_server(("127.0.0.1", 0)) as probe:
        chosen = port or (last if last and free(last) else probe.getsockname()[1])
    memory.write_text(str(chosen))
    command = [sys.executable, "-m", "local.watch", f"--port={chosen}", f"--run-dir={home.run.resolve()}"]
    process = spawn("watch", command, process_environment(home, state), home)
    state = replace(state, watch=Watch(process, chosen, sources))
    home.write(state)
    return state


def unseen(home: Home, state: State) -> list[str]:
    """Wait for the watch page; return a note that says why it does not answer, if it does not."""
    pool, deadline = urllib3.PoolManager(retries=False, timeout=2.0), time.monotonic() + READY_SECONDS
    while state.watch and not answers(pool, f"http://127.0.0.1:{state.watch.port}/"):
        if not state.watch.process.alive() or time.monotonic() > deadline:
            return [f"the watch page does not answer:\n{tail(home.log('watch'))}"]
        time.sleep(0.03)
    return []


def process_environment(home: Home, state: State) -> dict[str, str]:
    """Return the environment of the processes and the functions: none of the operator's AWS settings."""
    names = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", CLIENT, TIER, SLOTS)
    passed = {name: value for name in names if (value := os.environ.get(name))}
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
            # After this time only one of a function's warm processes is left, which frees the memory of a burst.
            "LAMBDA_WARM_TTL_SECONDS": "20",
            # PollSeconds is at least a second, and nothing here takes that long.
            "SFN_WAIT_SCALE": "0.25",
            # No other listeners, and no access to this machine's containers.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": "unix:///nonexistent",
            # macOS ends a forked process that it takes for unsafe; the copy that saves the state calls nothing of its.
            "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES",
            # Freed buffers of large objects go back to the system (glibc): a tenth of the peak.
            "MALLOC_ARENA_MAX": "2",
            "MALLOC_MMAP_THRESHOLD_": "131072",
        }
    )


def spawn(name: str, command: list[str], environment: dict[str, str], home: Home) -> Process:
    """Start `command` in a session of its own, its output in the log `name`."""
    with home.log(name).open("wb") as log:
        child = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            umask=0o077,
        )
    CHILDREN.append(child)
    return Process(name, child.pid, psutil.Process(child.pid).create_time())


def ports(home: Home, cloud: int | None, engine: int | None) -> tuple[int, int]:
    """Return the requested ports, else the last ones, else free ones; remember them for the next time."""
    memory = home.data / "ports.json"
    last: list[int | None] = json.loads(memory.read_text()) if memory.exists() else [None, None]
    chosen: list[int] = []
    for port, before in zip((cloud, engine), last, strict=True):
        if port is not None and not free(port):
            raise LocalError(f"port {port} is taken: choose another, or leave the option out to get a free one")
        again = before if before and before not in chosen and free(before) else None
        with socket.create_server(("127.0.0.1", 0)) as probe:
            chosen.append(port or again or probe.getsockname()[1])
    memory.write_text(json.dumps(chosen))
    return chosen[0], chosen[1]


def free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_ready(home: Home, state: State) -> None:
    """Return once both processes answer."""
    pool = urllib3.PoolManager(retries=False, timeout=2.0)
    addresses = {"engine": f"{state.engine}/", "cloud": f"{state.endpoint}/_ministack/health"}
    deadline = time.monotonic() + READY_SECONDS
    for process in state.processes:
        while not answers(pool, addresses[process.name]):
            if not process.alive():
                raise LocalError(f"the {process.name} process ended at its start:\n{tail(home.log(process.name))}")
            if time.monotonic() > deadline:
                raise LocalError(f"the {process.name} process does not answer:\n{tail(home.log(process.name))}")
            time.sleep(0.03)


def answers(pool: urllib3.PoolManager, address: str) -> bool:
    try:
        return pool.request("GET", address).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def stop(home: Home, *, save: bool = True) -> list[str]:
    """End all processes of this cloud, also those that a lost state no longer names; return their names.

    The local AWS ends first and saves its state; without `save`, and out of time, it is killed.
    """
    state = home.read()
    named = [process for process in (state.processes if state else ()) if process.alive()]
    if state and state.watch and state.watch.process.alive():
        named.append(state.watch.process)
    for process in reversed(named):
        family = family_of(process.pid)
        for member in [] if save else family:
            signalled(member, signal.SIGKILL)
        end(family[:1])
        end(family[1:])
    strays = marked(home)
    end(strays)
    CHILDREN[:] = [child for child in CHILDREN if child.poll() is None]
    shutil.rmtree(home.run / "tmp", ignore_errors=True)
    home.forget()
    return [process.name for process in named] + [f"stray process {stray.pid}" for stray in strays]


def family_of(pid: int) -> list[psutil.Process]:
    """Return a process and, after it, all that it has started; empty if it has just ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    return []


def signalled(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def end(processes: list[psutil.Process]) -> None:
    """SIGTERM these processes, wait for their end, and SIGKILL those that take too long."""
    for process in processes:
        signalled(process, signal.SIGTERM)
    _, left = psutil.wait_procs(processes, timeout=STOP_SECONDS)
    for process in left:
        signalled(process, signal.SIGKILL)
    psutil.wait_procs(left, timeout=STOP_SECONDS)


def marked(home: Home) -> list[psutil.Process]:
    """Return the live processes with this cloud's mark."""
    folder, processes = str(home.run.resolve()), []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == folder and process.status() != psutil.STATUS_ZOMBIE:
                processes.append(process)
        except (psutil.Error, OSError):
            continue
    return processes
