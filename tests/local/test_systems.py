# SPDX-License-Identifier: Apache-2.0
"""The systems on which `make setup` and `make demo` run: what they call exists on Linux and on macOS.

`make check` has mypy look at the same sources as macOS (`--platform darwin`): it knows which names of the standard
library are Linux's alone.
"""

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import boto3
import pytest

from local.cloud import environments, lifecycle
from local.cloud.environments import LocalError
from local.cloud.home import Home, State, access
from tests.local.test_launcher import function, role

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("local", "engine/src", "functions", "layers", "table-intake/src")
SOURCES = sorted(path for room in ROOMS for path in ROOT.joinpath(room).rglob("*.py"))
RECIPES = (ROOT / "Makefile", *sorted(path for room in ROOMS for path in ROOT.joinpath(room).rglob("Makefile")))
GUARDED = dict.fromkeys(
    (
        "engine/src/personalize_local/jobs/worker.py",
        "engine/src/personalize_local/recipes/common/processes.py",
        "layers/core/personalization/core/bounded/parent.py",
        "local/cloud/aws/memory.py",
    ),
    "/proc",
)
"""What a module does without where it is not there."""
LINUX_FILES = re.compile(r"""["'](/proc|/sys|/dev/(?!null|fd)|/etc|/run|/usr/lib)\b""")
LINUX_PSUTIL = re.compile(r"\.(cpu_affinity|rlimit|io_counters|ionice|memory_maps|cpu_num|num_fds|pss|swap)\b\(?")
"""Members of psutil.Process that macOS has not, or not so."""
BY_NAME = re.compile(r"fcntl\.(?!flock|LOCK_)\w+|signal\.(SIGRT\w+|pidfd\w+|sigwaitinfo|sigtimedwait)|\.qsize\(")
"""Locks apart, fcntl differs; `qsize` of a queue between processes is not implemented on macOS."""
GNU_ONLY = re.compile(
    r"\b(nproc|readlink|realpath|timeout|setsid|tac|sha256sum|md5sum|numfmt|shuf)\b|\bsed\b[^|;]* -[a-z]*[ir]|\bstat -c"
    r"|\bdate -d|\bxargs\b[^|;]* -[a-z]*r|\bfind\b[^|;]*(-printf|-regextype)|\bgrep\b[^|;]* -[a-z]*P|\bsort\b[^|;]* -V"
    r"|(^|[\t@;&|(] *)(cp|mv|ln|mktemp|touch|date|du|ls|head|tail|seq) --"
    r"|\bln\b[^|;]* -[a-z]*r|\bcp\b[^|;]* -[a-z]*[ub]|\bhead\b[^|;]* -n ?-|\bdu\b[^|;]* -b|/proc/|\btar\b[^|;]* --"
)
NEWER_MAKE = re.compile(
    r"^\s*(\.ONESHELL|\.RECIPEPREFIX|undefine|private )|\$\(file |!=|::=|&:|define \w+ *=", re.MULTILINE
)
"""macOS has GNU make 3.81, of 2006."""


def test_the_sources_name_no_file_or_call_that_only_linux_has() -> None:
    assert len(SOURCES) > 200
    for source in SOURCES:
        text = source.read_text()
        for words in (LINUX_FILES, LINUX_PSUTIL, BY_NAME):
            match = words.search(text)
            guarded = match is not None and match[1] == GUARDED.get(str(source.relative_to(ROOT)))
            assert match is None or guarded, f"{source}: {match}"


def test_what_make_runs_needs_no_gnu_tool_and_no_newer_make() -> None:
    assert len(RECIPES) == 5
    for recipe in RECIPES:
        for line in recipe.read_text().splitlines():
            assert not GNU_ONLY.search(line), f"{recipe}: {line}"
        assert not NEWER_MAKE.search(recipe.read_text()), recipe


@pytest.mark.parametrize("line", [
    "cat /proc/cpuinfo", "sed -i s/a/b/ file", "sed -E -i s/a/b/", "nproc", "readlink -f .", "stat -c %s a",
    "date -d now", "ls | xargs -0 -r rm", "mktemp --tmpdir", "grep -oP x", "sort -V", "cp --parents a b", "head -n -1",
])  # fmt: skip
def test_gnu_s_own_calls_are_known(line: str) -> None:
    assert GNU_ONLY.search(line)


def setup(folder: Path, system: str) -> str:
    """Return what `make setup` says on a machine whose `uname -sm` is this, with no Python to go on with."""
    shutil.copy(ROOT / "Makefile", folder)
    for source in (
        "locks/project.txt",
        "locks/browser.txt",
        "pyproject.toml",
        "engine/pyproject.toml",
        "table-intake/pyproject.toml",
    ):
        folder.joinpath(source).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / source, folder / source)
    (folder / "bin").mkdir()
    (folder / "bin/uname").write_text(f"#!/bin/sh\necho '{system}'\n")
    (folder / "bin/uname").chmod(0o755)
    line = ["make", "-s", "setup", "PYTHON="]
    path = {"PATH": f"{folder}/bin:/usr/bin:/bin"}
    done = subprocess.run(line, cwd=folder, env=path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert not (folder / ".venv").exists()
    return done.stdout


@pytest.mark.parametrize("system", ["Linux x86_64", "Linux aarch64", "Darwin arm64"])
def test_setup_goes_on_where_every_package_has_a_wheel(system: str, tmp_path: Path) -> None:
    assert setup(tmp_path, system).startswith("Python 3.11 or newer with venv is needed")


@pytest.mark.parametrize(("system", "way_out"), [
    ("Darwin x86_64", "Apple silicon; this Intel Mac can run the engine alone: pip install personalize-local"),
    ("MINGW64_NT-10.0 x86_64", "this is MINGW64_NT-10.0 x86_64; on Windows it runs in WSL 2."),
])  # fmt: skip
def test_setup_refuses_other_systems_in_one_sentence(system: str, way_out: str, tmp_path: Path) -> None:
    told = setup(tmp_path, system)
    assert told.strip().endswith(way_out)
    assert told.count("\n") == 1


def test_setup_refuses_a_machine_without_a_python_of_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "UV", "false")
    with pytest.raises(LocalError, match=r"run on Python 3.13, 3.12 or 3.11, and this machine"):
        environments.find_python()


@pytest.mark.skipif(not environments.cloud_python().exists(), reason="no .local/cloud: make setup")
def test_both_processes_and_a_function_run_without_what_only_linux_has(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.make_private()
    (home.run / "tmp").mkdir()
    (cloud, engine), (key, secret) = lifecycle.ports(home, None, None), home.access_key()
    addresses = (f"http://127.0.0.1:{cloud}", f"http://127.0.0.1:{engine}")
    state = State(*addresses, (), access_key=key, secret_key=secret)
    environment = lifecycle.process_environment(home, state) | {"RETAIL_RUNTIME_CLIENT": "runtime_interface_client"}
    mac, data = str(ROOT / "tests/local/as_a_mac.py"), f"--data-dir={home.data / 'engine'}"
    commands = {
        "engine": [sys.executable, mac, "local.personalize", f"--port={engine}", data, "--account-id=000000000000"],
        "cloud": [str(environments.cloud_python()), mac, "local.cloud.aws.launcher"],
    }
    started = [lifecycle.spawn(name, command, environment, home) for name, command in commands.items()]
    state = replace(state, processes=tuple(started))
    home.write(state)
    try:
        lifecycle.wait_ready(home, state)
        role(state, "anyone")
        function(state, "echo", "def handler(event, _): return event")
        answer = boto3.client("lambda", **access(state)).invoke(FunctionName="echo", Payload=b'"here"')
        assert answer["Payload"].read() == b'"here"'
        assert boto3.client("personalize", **access(state, engine=True)).list_dataset_groups()["datasetGroups"] == []
    finally:
        assert lifecycle.stop(home) == ["engine", "cloud"], home.log("cloud").read_text()
