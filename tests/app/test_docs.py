# SPDX-License-Identifier: Apache-2.0
"""Every code block of the documents that users copy from, as it stands there, on the local cloud.

The cloud has the shop and the ids that the documents speak of. What the reader's machine decides is replaced: folders,
ports, and `make demo`, whose parts have tests of their own.
"""

import json
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from table_intake.settings import yaml_core

from engine.tests.harness import EngineProcess
from local.cloud import login
from local.cloud.runs import Run
from local.storefront import server
from tests.app import retail
from tests.app.laptop import ROOT, Laptop
from tests.app.test_likelihood import fitted
from tests.app.waiting import until
from tests.exports.makers import EXPORTS
from tests.storefront.test_client import node

DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DAYS, USERS, ITEMS, DAY = 70, 150, 100, 86_400
NAMED = ("1082185", "995242", "840361", "951590")
"""Items that the documents name."""
USER = "2375"
SECONDS = 600


@dataclass(frozen=True)
class Block:
    """A block of a document: its language, its text, and the JSON that the document shows as its answer."""

    where: str
    language: str
    text: str
    answer: Any = None


def blocks(name: str) -> list[Block]:
    """The blocks of a document that run, in its order; JSON that follows a command at once is its answer."""
    text, blocks = (DOCS / name).read_text(), list[Block]()
    end = 0
    for block in BLOCK.finditer(text):
        language, content = block.groups()
        where = f"{name}:{text[: block.start()].count(chr(10)) + 1}"
        if language != "json":
            blocks.append(Block(where, language, content))
        elif blocks and blocks[-1].answer is None and not text[end : block.start()].strip():
            before = blocks.pop()
            blocks.append(Block(before.where, before.language, before.text, json.loads(content)))
        end = block.end()
    return blocks


def item(number: int) -> str:
    return NAMED[number] if number < len(NAMED) else f"{800000 + number}"


def user(number: int) -> str:
    return str(int(USER) + number)


def files(days: int = DAYS, users: int = USERS) -> dict[str, str]:
    """A shop of the documents' ids, in which each user goes through the items in order, one a day."""
    bought = [
        f"{user(number)},{item((number * 7 + day) % ITEMS)},Purchase,{retail.START + day * DAY + number}"
        for day in range(days)
        for number in range(users)
    ]
    goods = [
        f"{item(number)},Thing {number},{number + 1},{'Bakery' if number % 2 else 'Dairy'}" for number in range(ITEMS)
    ]
    people = [f"{user(number)},{'25-34' if number % 2 else '65+'}" for number in range(users)]
    return {
        "items": "\n".join(["ITEM_ID,NAME,PRICE,CATEGORY_L1", *goods]) + "\n",
        "users": "\n".join(["USER_ID,AGE", *people]) + "\n",
        "interactions": "\n".join(["USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP", *bought]) + "\n",
    }


@pytest.fixture(scope="module")
def demo(laptop: Laptop) -> Run:
    """The shop `demo`, with the settings that `make demo` drops."""
    laptop.put("drops/demo/settings.yaml", (ROOT / "storefront" / "settings.yaml").read_bytes())
    runs = [laptop.drop("demo", kind, content) for kind, content in files().items()]
    assert fitted(laptop, runs[-1])["outcome"] == "fitted"
    return runs[-1]


@dataclass(frozen=True)
class Desk:
    """A reader's working copy: the repository, but that its Python asks the test's cloud."""

    folder: Path
    environment: Mapping[str, str]
    ports: Mapping[str, str]

    def text(self, block: Block) -> str:
        """What the reader types, with the ports that are free here."""
        command = block.text.replace("/tmp/", f"{self.folder}/tmp/")  # noqa: S108 - the document's own words
        for documented, real in self.ports.items():
            command = command.replace(documented, real)
        return command

    def run(self, *command: str, given: str) -> str:
        """What a program prints that reads `given`; it must end well."""
        done = subprocess.run(
            command, input=given, cwd=self.folder, env=self.environment, capture_output=True, text=True,
            timeout=SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{given}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def desk(laptop: Laptop, tmp_path: Path) -> Desk:
    for entry in ROOT.iterdir():
        if entry.name not in {".venv", ".local", ".git"}:
            (tmp_path / entry.name).symlink_to(entry)
    (tmp_path / "tmp").mkdir()
    (tmp_path / ".local" / "demo").mkdir(parents=True)
    for folder in (tmp_path, tmp_path / ".local" / "demo"):
        for kind, content in files().items():
            (folder / f"{kind}.csv").write_text(content)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    cloud = f"--run-dir {shlex.quote(str(laptop.home.run))}"
    asks = f'case "$2.$3" in local.evaluate) ;; local.*) set -- "$@" {cloud};; esac'
    python.write_text(f'#!/bin/sh\n{asks}\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    make = tmp_path / "bin" / "make"
    make.parent.mkdir()
    make.write_text('#!/bin/sh\ntest "$*" = "demo ONCE=1" || test "$*" = setup\n')
    make.chmod(0o755)
    ports = {"http://127.0.0.1:4566": laptop.state.endpoint}
    # A busy machine answers 503 with Retry-After, which clients obey.
    (tmp_path / ".curlrc").write_text("silent\nshow-error\nfail\nretry = 10\n")
    path = f"{make.parent}{os.pathsep}{os.environ['PATH']}"
    return Desk(tmp_path, {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "CURL_HOME": str(tmp_path)}, ports)


def shell(desk: Desk, told: list[Block]) -> Iterator[tuple[Block, str]]:
    """Each block and what it prints, all run by one shell."""
    script = ["set -euo pipefail"]
    for number, block in enumerate(told):
        text = desk.text(block)
        if block.language == "python":
            script += [f"exec >out-{number}", f".venv/bin/python - <<'END'\n{text}END"]
        else:
            script += [f"exec >out-{number}", text]
    desk.run("bash", "-s", given="\n".join(script))
    for number, block in enumerate(told):
        file = desk.folder / f"out-{number}"
        if file.exists():
            yield block, file.read_text()


def assert_shaped(told: Any, shown: Any, where: str) -> None:  # noqa: ANN401 - any document
    """Every member that the document shows is there, of the same kind."""
    if isinstance(shown, dict):
        assert isinstance(told, dict), where
        for name, value in shown.items():
            assert name in told, f"{where}: no member {name} in {told}"
            assert_shaped(told[name], value, f"{where}.{name}")
    elif isinstance(shown, list):
        assert isinstance(told, list), where
        assert bool(told) >= bool(shown), f"{where} is empty"
        for answer, other in zip(told, shown, strict=False):
            assert_shaped(answer, other, where)
    elif shown is not None and told is not None:
        assert isinstance(told, type(shown)) or {type(told), type(shown)} <= {int, float}, f"{where}: {told!r}"


def test_the_http_api(laptop: Laptop, demo: Run, desk: Desk) -> None:
    assert demo.status == "SUCCEEDED"
    until(lambda: named(laptop), "the function has read the table of items")
    answered = 0
    for block, printed in shell(desk, blocks("api.md")):
        if "curl" not in block.text:
            continue
        answer = json.loads(printed)
        if block.answer is not None:
            assert_shaped(answer, block.answer, block.where)
            answered += 1
    assert answered >= 6


def named(laptop: Laptop) -> bool:
    """Whether each of the first recommendations has its metadata."""
    ranking = laptop.call("GET", f"/shops/demo/users/{USER}/recommendations", limit="3", filter="not-purchased")
    return all("metadata" in item for item in ranking.body["items"])


def test_the_javascript_client_in_a_fresh_npm_project(laptop: Laptop, demo: Run, desk: Desk) -> None:
    assert demo.status == "SUCCEEDED"
    run_javascript(laptop, desk, blocks("../storefront/client/README.md"))


def run_javascript(laptop: Laptop, desk: Desk, told: list[Block]) -> None:
    """Run the blocks as one module, in a project without anything but the package of the client."""
    if node() is None:
        pytest.skip("Node 20 or newer is not on this machine")
    project = desk.folder / "tmp" / "project"
    shutil.copytree(ROOT / "storefront" / "client", project / "storefront" / "client")
    shutil.copy(ROOT / "LICENSE", project)
    (project / "package.json").write_text('{"name": "fresh", "version": "1.0.0"}')
    commands = "".join(block.text for block in told if block.language == "sh")
    desk.run("sh", "-euc", f"cd {shlex.quote(str(project))}\n{commands}", given="")
    state = laptop.state
    token = login.user_token(laptop.home, state, USER, time.time())
    with server.serving(server.open_shop(state, "demo")) as address:
        given = {
            "API": f"{address}api", "URL_OF_API": state.api, "KEY": state.key, "BROWSER_API_URL": state.browser_api,
            "userToken": token,
        }  # fmt: skip
        values = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in given.items())
        (project / "page.mjs").write_text("\n".join(block.text for block in told if block.language == "js"))
        text = (project / "page.mjs").read_text()
        imports = "".join(f"{line}\n" for line in text.splitlines() if line.startswith("import "))
        (project / "page.mjs").write_text(imports + values + text.replace(imports, ""))
        desk.run(str(node()), str(project / "page.mjs"), given="")


def test_the_local_cloud_and_faults(laptop: Laptop, desk: Desk, tmp_path: Path) -> None:
    # Other tests share the laptop's engine, whose clock must stay.
    with EngineProcess(tmp_path / "faulty", options=["--faults"]) as faulty:
        reader = replace(desk, ports={**desk.ports, ":8091": f":{faulty.port}"})
        try:
            commands = [block for page in ("local.md", "local-cloud.md", "faults.md") for block in blocks(page)]
            outputs = [text for _, text in shell(reader, commands)]
        finally:
            laptop.cloud_faults.clear()
    assert any("dropbucket" in text for text in outputs)


def test_exports_as_shops_have_them(laptop: Laptop, desk: Desk) -> None:
    assert laptop.state.api
    commands = [block for block in blocks("exports.md") if block.language == "sh"]
    for program, block in zip(("Korean ERP", "Till"), commands, strict=True):
        EXPORTS[program].made(desk.folder)
        assert block.text.count("\n") == 3
        ((_, printed),) = shell(desk, [block])
        assert "SUCCEEDED" in printed
        # On a busy machine the first answer may be a fallback.
        recommend = replace(block, text=block.text.splitlines()[-1] + "\n")
        until(partial(from_campaign, desk, recommend), "the list is a campaign's")


def test_my_shop_in_ten_minutes(laptop: Laptop, desk: Desk) -> None:
    ordered = export(desk.folder)
    reader = replace(desk, ports={"USER_ID": f"C{USER}", "ITEM_ID": f"P{NAMED[0]}"})
    told = blocks("my-shop.md")
    outputs = [played(reader, block) for block in told if block.language == "sh"]
    started, _, looked, by_hand = outputs
    assert f"orders.csv  interactions, {ordered:,} rows" in started
    assert "In which time zone are the times in Ordered at?" in started
    assert f"aws s3 sync {laptop.home.run}/starts/myshop/drops" in started
    assert f"P{NAMED[0]}" in looked
    assert by_hand.count("SUCCEEDED") == 2
    written = yaml_core.load((desk.folder / "settings.yaml").read_text())
    assert [yaml_core.load(block.text) for block in told if block.language == "yaml"] == [written]


def export(folder: Path) -> int:
    """Write the files that the page stands on; return how many orders they have."""
    orders = [
        f"C{user},P{item},{datetime.fromtimestamp(int(time), UTC):%Y-%m-%d %H:%M:%S},"
        + ("paid" if number % 9 else "cancelled")
        for number, (user, item, _, time) in enumerate(line.split(",") for line in rows("interactions"))
    ]
    (folder / "orders.csv").write_text("\n".join(["Customer,SKU,Ordered at,Status", *orders]) + "\n")
    goods = [line.split(",") for line in rows("items")]
    products = [f"P{number},{name},{price},{kind}" for number, name, price, kind in goods]
    (folder / "products.csv").write_text("\n".join(["SKU,Product name,Price,Category", *products]) + "\n")
    return len(orders)


def played(desk: Desk, block: Block) -> str:
    """What the commands of a block print, line after line; a shop that opens is looked at, and closed by Ctrl-C."""
    printed = []
    for line in block.text.splitlines():
        is_open_until_closed = re.search(r" -m local (start|storefront) ", line)
        alone = replace(block, text=f"{line}\n")
        printed.append(opened(desk, desk.text(alone)) if is_open_until_closed else shell_alone(desk, alone))
    return "".join(printed)


def shell_alone(desk: Desk, block: Block) -> str:
    ((_, printed),) = shell(desk, [block])
    return printed


def from_campaign(desk: Desk, block: Block) -> bool:
    """Whether a list that a block prints is a campaign's."""
    return "campaign" in shell_alone(desk, block)


def opened(desk: Desk, line: str) -> str:
    """What a command prints that opens a shop; at its terminal somebody takes the default of each question."""
    keyboard, screen = pty.openpty()
    os.write(keyboard, b"\n" * 3)
    with closing(os.fdopen(screen)) as terminal, subprocess.Popen(
        ["/bin/sh", "-c", f"exec {line}"], stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        cwd=desk.folder, env=desk.environment,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        printed = ""
        for row in process.stdout:
            printed += row
            if shop := re.search(r"open until Ctrl-C.*: (http://\S+)", row):
                with urlopen(shop[1]) as page:
                    assert page.status == 200
                process.send_signal(signal.SIGINT)
    os.close(keyboard)
    assert process.returncode == 0, printed
    return printed


def rows(kind: str) -> list[str]:
    """The lines of a shop's file without its header."""
    return files(days=25)[kind].splitlines()[1:]


@pytest.mark.nightly
def test_an_evaluation(desk: Desk) -> None:
    for kind, content in files(days=25, users=60).items():
        for folder in (desk.folder, desk.folder / ".local" / "demo"):
            (folder / f"{kind}.csv").write_text(content)
    told = blocks("evaluate.md")
    assert len(told) == 2
    for block, printed in shell(desk, told):
        assert re.search(r"the page to look at: \S+\.html", printed), block.where
