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

from local.cloud import environments
from local.cloud.environments import LOCAL
from tests.template.stack import FILE, NESTED, OPTIONS, PSEUDO, ROOT, Values, defaults, looped, packaged, translated

SUPPRESSED = {
    "CKV_AWS_18": "who read the bucket is for CloudTrail's data events to tell, which are the account's to turn on",
    "CKV_AWS_26": "alarms and rules cannot publish to a topic under SNS's own key; messages hold no shopper's data",
    "CKV_AWS_27": "every queue is encrypted with SQS's own key (SqsManagedSseEnabled), which the rule does not know",
    "CKV_AWS_115": "a reserve for one function is taken from all others; the API has rates, the queue a concurrency",
    "CKV_AWS_116": "only asynchronous calls leave dead letters, and functions that are called so have a queue",
    "CKV_AWS_117": "the functions call AWS's own services over TLS and nothing in a VPC",
    "CKV_AWS_119": "the tables are encrypted with DynamoDB's own key; one of the account's costs a call an answer",
    "CKV_AWS_120": "answers are one shopper's and change with the next click: no cache of a stage may keep them",
    "CKV_AWS_124": "whoever updates the stack sees the events of its nested one, and nobody else waits for them",
    "CKV_AWS_149": "listIds prove nobody's identity, so their secret has Secrets Manager's own key; another costs $1",
    "CKV_AWS_158": "CloudWatch encrypts every log, and none holds a user id, a token or a body",
    "CKV_AWS_173": "Lambda encrypts the variables, and none is a secret",
}
"""Rules that say what is not so here, each with why; tests/template/test_audit.py holds every reason."""
MOST = 12
"""Of suppressed rules."""
DEPLOYED = ("layers/core", "functions")


def written() -> dict[str, Any]:
    """Return the template as it is written, with all options on, and without loops and conditions."""
    made = copy.deepcopy(looped(FILE))
    for name, value in (OPTIONS | {"Tracing": "true"}).items():
        made["Parameters"][name]["Default"] = value
    # checkov looks into no `Fn::If`, and stumbles over some.
    worked = Values(defaults(made) | PSEUDO, made["Conditions"])
    return made | {part: decided(made[part], worked) for part in ("Globals", "Resources")}


def expanded() -> dict[str, Any]:
    """The template as AWS gets it, with all options on; a nested stack is its parent's resource there."""
    source = written()
    values = defaults(source)
    made = translated(packaged(source, {}), values)
    made["Resources"] = decided(made["Resources"], Values(values | PSEUDO, made["Conditions"]))
    return made


def written_out(nested: Path) -> dict[str, Any]:
    """A nested stack's template as AWS gets it: without loops, and with everything in it."""
    made = copy.deepcopy(looped(nested))
    made.pop("Transform", None)
    made["Resources"] = decided(made["Resources"], Values(OPTIONS | PSEUDO, made.get("Conditions", {})))
    return made


def decided(part: Any, values: Values) -> Any:  # noqa: ANN401 - any part of a template
    """A part of a template without its `Fn::If`: checkov does not look into them."""
    if isinstance(part, list):
        return [decided(element, values) for element in part]
    if not isinstance(part, dict):
        return part
    if set(part) == {"Fn::If"}:
        name, then, otherwise = part["Fn::If"]
        return decided(then if values.condition(name) else otherwise, values)
    every = {name: decided(member, values) for name, member in part.items()}
    return {name: member for name, member in every.items() if member != {"Ref": "AWS::NoValue"}}


def told(part: Any) -> Any:  # noqa: ANN401 - any part of a template
    """A part of a template in which texts tell partition, region and account.

    checkov can fill them in as well, and builds its grammar of paths anew for each: two thirds of its time.
    """
    if isinstance(part, list):
        return [told(element) for element in part]
    if not isinstance(part, dict):
        return part
    if set(part) == {"Ref"}:
        return PSEUDO.get(part["Ref"]) or part
    if set(part) == {"Fn::Sub"} and isinstance(text := part["Fn::Sub"], str):
        for name, value in PSEUDO.items():
            text = text.replace(f"${{{name}}}", str(value))
        return {"Fn::Sub": text} if "${" in text else text
    return {name: told(member) for name, member in part.items()}


def commands(linted: Path, checked: Path) -> Iterator[list[str]]:
    """What is run on the files of two folders: each tool once, for it starts slower than it reads a file."""
    tools, scripts = LOCAL / "audit" / "bin", Path(sys.executable).parent
    yield [str(tools / "bandit"), "-q", "-r", *DEPLOYED]
    # Warnings there are about what SAM leaves unused or says twice.
    yield [str(scripts / "cfn-lint"), "--ignore-checks", "W", "--template", *map(str, sorted(linted.iterdir()))]
    framework = ["--framework", "cloudformation", "--skip-download", "--quiet", "--compact"]
    files = map(str, sorted(checked.iterdir()))
    yield [str(tools / "checkov"), *framework, "--skip-check", ",".join(SUPPRESSED), "--file", *files]


def main() -> int:
    """Run them all; the exit code says whether any found something."""
    environments.refresh("audit", environments.find_python())
    deployed = {"expanded": expanded(), **{nested.stem: written_out(nested) for nested in NESTED}}
    failed = 0
    with tempfile.TemporaryDirectory() as linted, tempfile.TemporaryDirectory() as checked:
        for name, template in deployed.items():
            Path(linted, f"{name}.json").write_text(json.dumps(template, indent=1))
            Path(checked, f"{name}.json").write_text(json.dumps(told(template), indent=1))
        Path(checked, "written.json").write_text(json.dumps(told(written()), indent=1))
        for command in commands(Path(linted), Path(checked)):
            done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
            print(f"{Path(command[0]).name}: {'no findings' if not done.returncode else ''}")  # noqa: T201
            if done.returncode:
                failed += 1
                print(done.stdout + done.stderr)  # noqa: T201
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
