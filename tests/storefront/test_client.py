# SPDX-License-Identifier: Apache-2.0
"""The JavaScript client: its size, its types, its logic and that of sessions under node's own test runner."""

import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CLIENT = ROOT / "storefront" / "client"
CODE, TYPES = ((CLIENT / f"personalization.{kind}").read_text() for kind in ("js", "d.ts"))
DESCRIPTION = json.loads((ROOT / "functions" / "get_recommendations" / "openapi.json").read_text())
BYTES = 3_460
"""What the client may weigh as it travels."""
SECONDS = 60


def node() -> str | None:
    """Node 20 or newer; None where there is none."""
    path = shutil.which("node")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout if path else ""
    match = re.match(r"v(\d+)\.", version)
    return path if match and int(match[1]) >= 20 else None


def test_it_travels_in_few_bytes() -> None:
    assert len(gzip.compress(CODE.encode(), 9, mtime=0)) <= BYTES


def test_it_depends_on_nothing() -> None:
    assert not re.search(r"^\s*import\s|\bimport\(|\brequire\(", CODE, re.MULTILINE)


def members(text: str, pattern: str) -> dict[str, list[str]]:
    """The public members of the class, each with the names of its parameters; `{}` for one that is taken apart."""
    methods = re.findall(pattern, text[text.index("export class Personalization") :], re.MULTILINE | re.DOTALL)
    given = {name: re.sub(r"\{[^{}]*\}|<[^<>]*>", "{}", parameters).split(",") for name, parameters in methods}
    return {name: [m[1] for part in parts if (m := re.match(r"\s*(\w+|{})", part))] for name, parts in given.items()}


def declared(name: str) -> set[str]:
    """The members of an interface of the types."""
    start = TYPES.index(f"export interface {name} ")
    return set(re.findall(r"^  (?:readonly )?(\w+)\??:", TYPES[start : TYPES.index("\n}", start)], re.MULTILINE))


def test_each_public_member_has_its_type_with_the_same_parameters() -> None:
    coded = members(CODE, r"^  (?:get |async )?([a-z]\w*)\((.*?)\) \{$")
    typed = members(TYPES, r"^  (?:get )?([a-z]\w*)\((.*?)\)(?:: [^\n]*)?;$")
    assert coded.keys() == typed.keys()
    assert len(coded) > 15
    for name, parameters in coded.items():
        same = [ours in {typed_name, "{}"} for ours, typed_name in zip(parameters, typed[name], strict=True)]
        assert all(same), name
    exports = r"^export (?:class|interface|type) (\w+)"
    assert set(re.findall(exports, CODE, re.MULTILINE)) <= set(re.findall(exports, TYPES, re.MULTILINE))


def test_each_option_and_what_callbacks_are_told_has_its_type() -> None:
    defaults = re.search(r"this\.#options = \{(.*?)\.\.\.options", CODE, re.DOTALL)
    taken = re.search(r"const \{ ([\w, ]+) \} = this\.#options;", CODE)
    told = re.search(r"onCall\?\.\(\{ (.*?) \}\)", CODE)
    assert defaults
    assert taken
    assert told
    used = {*re.findall(r"(\w+): ", re.sub(r"=>.*", "", defaults[1])), *taken[1].split(", ")}
    used |= set(re.findall(r"options\??\.(\w+)", CODE)) | {"fetch", "timeout", "delay", "retries"}
    assert used == declared("Options")
    assert {part.split(":")[0] for part in told[1].split(", ")} == declared("Call")
    pushed = re.search(r"pending\.push\(\{ (.*?) \}\);", CODE)
    assert pushed
    assert set(re.findall(r"(?:^|, )(\w+)(?=,|$)", pushed[1])) == declared("QueuedEvent")


def test_the_types_are_those_of_the_api() -> None:
    schemas = DESCRIPTION["components"]["schemas"]
    for name in ("Answer", "Item"):
        assert declared(name) == set(schemas[name]["properties"]), name
    assert declared("Answer") | declared("Placed") == set(schemas["Placed"]["properties"])
    sent = set(schemas["Event"]["properties"])
    assert declared("EventFields") | {"eventType"} == sent
    parameters = DESCRIPTION["paths"]["/shops/{shop}/users/{userId}/recommendations"]["get"]["parameters"]
    query = {parameter["name"].partition(".")[0] for parameter in parameters if parameter["in"] == "query"}
    assert declared("Query") - {"signal"} | {"itemId", "personalize"} == query


@pytest.mark.skipif(node() is None, reason="node 20 or newer is not on this machine")
@pytest.mark.parametrize(
    ("file", "passed"),
    [("client.test.mjs", 35), ("sessions.test.mjs", 7), ("hash.test.mjs", 3), ("impressions.test.mjs", 7)],
)
def test_its_logic(file: str, passed: int) -> None:
    command = [str(node()), "--test", str(HERE / file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.returncode == 0, done.stdout
    assert re.search(rf"\bpass {passed}\b", done.stdout), done.stdout


def test_what_tells_impressions_travels_in_two_thousand_bytes_and_depends_on_nothing() -> None:
    code = (CLIENT / "impressions.js").read_text()
    assert len(gzip.compress(code.encode(), 9, mtime=0)) <= 2_000
    assert not re.search(r"^\s*import\s|\bimport\(|\brequire\(", code, re.MULTILINE)
    types = (CLIENT / "impressions.d.ts").read_text()
    sent = set(DESCRIPTION["components"]["schemas"]["SeenList"]["properties"])
    interface = types[types.index("export interface SeenList ") :]
    declared = set(re.findall(r"^  (\w+)\??:", interface[: interface.index("\n}")], re.MULTILINE))
    assert declared == sent | {"sessionId", "userId"}
