# SPDX-License-Identifier: Apache-2.0
"""Other people's rules for the template and for what is deployed: checkov, cfn-lint and bandit, without findings.

`python -m tests.template.audit`, a part of `make check`, makes the environment that they run in (`.local/audit`). The
template is looked at as it is written and as AWS gets it, with everything in it that a stack may have.
"""

import copy
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from local.cloud import environments
from local.cloud.environments import LOCAL
from tests.template.stack import FILE, OPTIONS, PSEUDO, ROOT, Values, translated

SUPPRESSED = {
    "CKV_AWS_18": "who read the bucket is for CloudTrail's data events to tell, which are the account's to turn on",
    "CKV_AWS_26": "alarms and rules cannot publish to a topic under SNS's own key; messages hold no shopper's data",
    "CKV_AWS_27": "every queue is encrypted with SQS's own key (SqsManagedSseEnabled), which the rule does not know",
    "CKV_AWS_115": "a reserve for one function is taken from all others; the API has rates, the queue a concurrency",
    "CKV_AWS_116": "only asynchronous calls leave dead letters, and functions that are called so have a queue",
    "CKV_AWS_117": "the functions call AWS's own services over TLS and nothing in a VPC",
    "CKV_AWS_119": "the tables are encrypted with DynamoDB's own key; one of the account's costs a call an answer",
    "CKV_AWS_120": "answers are one shopper's and change with the next click: no cache of a stage may keep them",
    "CKV_AWS_158": "CloudWatch encrypts every log, and none holds a user id, a token or a body",
    "CKV_AWS_173": "Lambda encrypts the variables, and none is a secret",
}
"""Rules that say what is not so here, each with why; tests/template/test_audit.py holds every reason."""
MOST = 10
"""Of suppressed rules."""
BEHIND_IF = ("CKV_AWS_86",)
"""Rules about what is behind an `Fn::If`, where checkov does not look: only the expanded template is held to them."""
DEPLOYED = ("layers/core", "functions")


def expanded() -> dict[str, Any]:
    """The template as AWS gets it, with all options on."""
    source = copy.deepcopy(yaml_parse(FILE.read_text()))
    functions = source["Globals"]["Function"].pop("CodeUri")
    for name, resource in source["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::Function":
            properties.setdefault("CodeUri", functions)
        places = {
            key: f"s3://artefacts/{name}" for key in ("CodeUri", "ContentUri", "DefinitionUri") if key in properties
        }
        properties.update(places)
    for name, value in OPTIONS.items():
        source["Parameters"][name]["Default"] = value
    values = {name: entry.get("Default") for name, entry in source["Parameters"].items()}
    made = translated(source, values)
    made["Resources"] = decided(made["Resources"], Values(values | PSEUDO, made["Conditions"]))
    return made


def decided(part: Any, values: Values) -> Any:  # noqa: ANN401 - any part of a template
    """A part of a template without its `Fn::If`: checkov does not look into them."""
    if isinstance(part, list):
        return [decided(each, values) for each in part]
    if not isinstance(part, dict):
        return part
    if set(part) == {"Fn::If"}:
        name, then, otherwise = part["Fn::If"]
        return decided(then if values.condition(name) else otherwise, values)
    every = {name: decided(each, values) for name, each in part.items()}
    return {name: each for name, each in every.items() if each != {"Ref": "AWS::NoValue"}}


def commands(folder: Path) -> Iterator[list[str]]:
    """What is run; the files are in `folder`."""
    tools, mine = LOCAL / "audit" / "bin", Path(sys.executable).parent
    yield [str(tools / "bandit"), "-q", "-r", *DEPLOYED]
    # Warnings there are about what SAM leaves unused or says twice.
    yield [str(mine / "cfn-lint"), "--ignore-checks", "W", "--template", str(folder / "expanded.json")]
    framework = ["--framework", "cloudformation", "--skip-download", "--quiet", "--compact"]
    for file, skipped in (("template.yaml", (*SUPPRESSED, *BEHIND_IF)), ("expanded.json", SUPPRESSED)):
        yield [str(tools / "checkov"), *framework, "--skip-check", ",".join(skipped), "--file", str(folder / file)]


def main() -> int:
    """Run them all; the exit code says whether any found something."""
    environments.refresh("audit", environments.find_python()[0])
    failed = 0
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "template.yaml").write_text(written_with_options())
        (folder / "expanded.json").write_text(json.dumps(expanded(), indent=1))
        for command in commands(folder):
            done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
            print(f"{Path(command[0]).name} {Path(command[-1]).name}: {'no findings' if not done.returncode else ''}")  # noqa: T201
            if done.returncode:
                failed += 1
                print(done.stdout + done.stderr)  # noqa: T201
    return min(failed, 1)


def written_with_options() -> str:
    """The template as it is written, with all options on: their defaults are false."""
    text = FILE.read_text()
    for name, value in OPTIONS.items():
        before, found, after = text.partition(f"\n  {name}:\n    Type: String\n    Default: ")
        assert found, name
        text = before + found + json.dumps(value) + after[after.index("\n") :]
    return text


if __name__ == "__main__":
    sys.exit(main())
