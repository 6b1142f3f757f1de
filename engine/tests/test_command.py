# SPDX-License-Identifier: Apache-2.0
"""The command, as somebody types it."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from personalize_local import __main__ as command
from personalize_local.command import options
from personalize_local.command.options import Arguments
from personalize_local.data.s3 import S3
from personalize_local.resources.quotas import AWS, Quotas

from engine.tests.harness import ROOT, Aws, Engine, EngineProcess, free_port
from engine.tests.shop_data import columns, interactions, write_csv

PROGRAM = "personalize-local"
BASH = shutil.which("bash") or ""


def read(*arguments: str, **variables: str) -> Arguments:
    return options.read(PROGRAM, arguments, variables)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0, **variables: str) -> str:
    """What an option prints that ends the program."""
    with pytest.raises(SystemExit) as ended:
        read(*arguments, **variables)
    assert ended.value.code == status
    out, err = capsys.readouterr()
    return err if status else out


@contextmanager
def started(*arguments: str, **environment: str) -> Iterator[list[str]]:
    """Run the command; yields the lines that it prints, of which all but the first come when it has ended."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    entry = [sys.executable, "-m", "personalize_local", *arguments]
    with subprocess.Popen(entry, cwd=ROOT, env=inherited | environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().rstrip()]
        yield lines
        process.terminate()
        lines += process.stdout.read().splitlines()
    assert process.returncode == 0


def test_it_starts_with_no_option_at_all(tmp_path: Path) -> None:
    with started(PERSONALIZE_LOCAL_PORT="0", XDG_DATA_HOME=str(tmp_path), HOME=str(tmp_path)) as lines:
        url = lines[0].split()[-1]
    folder = next(tmp_path.rglob("engine.sqlite")).parent
    exports = [f"  export AWS_ENDPOINT_URL_PERSONALIZE{service}={url}" for service in ("", "_RUNTIME", "_EVENTS")]
    assert re.fullmatch(r"Personalize answers at http://127\.0\.0\.1:\d+", lines[0])
    assert lines[1:3] == [f"  data  {folder}", f"  S3    {folder}/s3/bucket/key is s3://bucket/key"]
    assert lines[4:7] == exports
    assert read().port == 8090


def test_in_memory_leaves_nothing_behind(tmp_path: Path) -> None:
    with started("--port", "0", "--in-memory", "--quiet", TMPDIR=str(tmp_path)) as lines:
        assert len(list(tmp_path.glob("personalize-local-*/engine.sqlite"))) == 1
    assert len(lines) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_taken_port_is_told_with_what_to_do(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--port", str(engine.port), "--in-memory"], PROGRAM) == 1
    complaint = capsys.readouterr().err.splitlines()[-1]
    assert complaint.startswith(f"{PROGRAM}: cannot listen on 127.0.0.1:{engine.port}: another program does; give")
    assert "--port 0" in complaint


def test_a_system_without_posix_is_told_what_to_do() -> None:
    """Windows has no `resource`."""
    line = "import runpy, sys; sys.modules['resource'] = None; {}"
    run = "runpy.run_module('personalize_local', run_name='__main__')"
    for act, told in ((run, "personalize-local: "), ("import personalize_local.testing", "ImportError: ")):
        done = subprocess.run([sys.executable, "-c", line.format(act)], check=False, capture_output=True, text=True)
        assert done.returncode == 1
        *before, last = done.stderr.splitlines()
        assert last.startswith(f"{told}Personalize Local needs Linux or macOS; on Windows, install and run it in WSL")
        assert not before or "import" in act


def test_trainings_take_the_standard_tier_unless_told_otherwise() -> None:
    assert options.read("personalize-local", [], {}).tier == "standard"


def test_help_fits_a_terminal_and_tells_defaults_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "--help")
    assert max(map(len, text.splitlines())) <= 80
    assert "example:" in text
    for option, default in re.findall(r"^  --([a-z-]+).*default:? (\d[\d.]*)$", text, re.M):
        assert str(getattr(Arguments(), option.replace("-", "_"))) == default


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--prot", "1"], "there is no option --prot: did you mean --port?"),
        (["--s3root=x"], "there is no option --s3root: did you mean --s3-root?"),
        (["in-memory"], "there is no argument in-memory: did you mean --in-memory?"),
        (["--xyzzy"], "there is no option --xyzzy."),
        (["--port", "99999"], "--port: a whole number from 0 to 65535, not '99999'"),
        (["--account-id", "12"], "--account-id: '12' is none"),
        (["--step-seconds", "nan"], "--step-seconds: a number of seconds from 0 on, not 'nan'"),
        (["--step-seconds", "soon"], "--step-seconds: "),
        (["--quota", "campaign=3"], "there is no quota 'campaign': did you mean campaigns?"),
        (["--quota", "xyzzy=3"], "there is no quota 'xyzzy': --quotas lists those there are."),
        (["--quota", "campaigns"], "'campaigns' is not NAME=N, as in campaigns=50."),
    ],
)
def test_what_is_mistyped_is_guessed(capsys: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
    assert words in printed(capsys, *arguments, status=2)


def test_options_are_variables_too(capsys: pytest.CaptureFixture[str]) -> None:
    options = read(
        "--port=2",
        PERSONALIZE_LOCAL_PORT="1",
        PERSONALIZE_LOCAL_IN_MEMORY="yes",
        PERSONALIZE_LOCAL_STRICT="0",
        PERSONALIZE_LOCAL_QUOTA="campaigns=7, filters=8",
        PERSONALIZE_LOCAL_OTHER="1",
        PERSONALIZE_LOCAL_DATA_DIR="",
    )
    assert (options.port, options.in_memory, options.strict) == (2, True, False)
    assert options.data_dir is None
    assert (options.quotas.campaigns, options.quotas.filters) == (7, 8)
    assert "S3 would be this engine itself" in printed(capsys, status=2, AWS_ENDPOINT_URL="http://localhost:8090")
    assert "PERSONALIZE_LOCAL_STRICT is 1 or 0" in printed(capsys, status=2, PERSONALIZE_LOCAL_STRICT="maybe")


def test_it_runs_where_nobody_reads_what_it_says(tmp_path: Path) -> None:
    port = free_port()
    entry = f"exec {shlex.quote(sys.executable)} -m personalize_local --in-memory --port {port} >&- 2>&-"
    with subprocess.Popen([BASH, "-c", entry], cwd=tmp_path) as process:
        healthy = b""
        while process.poll() is None and not healthy:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=10) as answer:
                healthy = answer.read()
        process.terminate()
    assert json.loads(healthy)["status"] == "ok"


def test_quotas_are_listed_and_all_of_them_can_be_set(capsys: pytest.CaptureFixture[str]) -> None:
    names = [line.split()[0] for line in printed(capsys, "--quotas").splitlines()[1:]]
    assert [name.replace("-", "_") for name in names] == list(Quotas.__dataclass_fields__)
    assert read().quotas == AWS
    options = read("--dataset-groups=3", "--incremental-bytes=4", *(f"--quota={name}=9" for name in names[4:8]))
    assert (options.quotas.dataset_groups, options.quotas.incremental_bytes, options.quotas.filters) == (3, 4, 9)


def test_a_quota_that_was_set_holds(tmp_path: Path) -> None:
    with EngineProcess(tmp_path, options=["--quota", "schemas=1", "--quota", "event-bytes=60"]) as engine:
        aws = Aws(engine, "here")
        aws.dataset(group := aws.group(), "Interactions")
        tracker = aws.tracker(group)
        with pytest.raises(aws.control.exceptions.LimitExceededException, match="More than 1 schemas"):
            aws.schema("Users")
        with pytest.raises(aws.events.exceptions.InvalidInputException, match="at most 60 bytes"):
            aws.click(tracker, "i" * 60)


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    assert f'version = "{printed(capsys, "--version").split()[-1]}"' in (ROOT / "engine/pyproject.toml").read_text()


def test_a_handful_of_interactions_trains_where_the_minimums_are_low(tmp_path: Path) -> None:
    write_csv(tmp_path / "s3/b/a.csv", columns("Interactions"), interactions(users=4, length=3))
    with EngineProcess(tmp_path, options=["--quota=minimum-interactions=12", "--quota=minimum-users=4"]) as engine:
        aws = Aws(engine, "here")
        aws.imported(aws.dataset(group := aws.group(), "Interactions"), "s3://b/a.csv")
        campaign = aws.campaign(aws.version(aws.solution(group)))
        assert set(aws.recommended(campaign, userId="u1")) <= {f"i{number}" for number in range(40)}


@pytest.mark.skipif(not BASH, reason="no bash")
def test_bash_completes_options(capsys: pytest.CaptureFixture[str]) -> None:
    script = printed(capsys, "--completion", "bash") + (
        f'\nCOMP_WORDS=({PROGRAM} --in-m); COMP_CWORD=1; _shtab_personalize_local; echo "${{COMPREPLY[@]}}"'
    )
    done = subprocess.run([BASH, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["--in-memory"]


@pytest.mark.parametrize(
    ("arguments", "variables", "expected"),
    [
        ([], {}, S3()),
        (["--s3-root", "r"], {"AWS_ENDPOINT_URL_S3": "http://a", "AWS_PROFILE": "p"}, S3(Path("r"))),
        ([], {"AWS_ENDPOINT_URL_S3": "http://a", "AWS_ENDPOINT_URL": "http://b"}, S3(endpoint="http://a")),
        ([], {"AWS_ENDPOINT_URL": "http://b", "AWS_PROFILE": "p"}, S3(endpoint="http://b", profile="p")),
        (["--profile", "q"], {"AWS_PROFILE": "p"}, S3(profile="q")),
        ([], {"AWS_PROFILE": "p"}, S3(profile="p")),
    ],
)
def test_where_s3_is(arguments: list[str], variables: dict[str, str], expected: S3) -> None:
    assert read(*arguments, **variables).s3 == expected
