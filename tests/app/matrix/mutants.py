# SPDX-License-Identifier: Apache-2.0
"""Safeguards that are taken out of a copy of the sources, one at a time: cases of the matrix must fail without them.

``.venv/bin/python -m tests.app.matrix.mutants [WORD…]`` tries them, or those whose safeguard has one of the words.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[3]
DOMAIN: Final = "layers/core/personalization"
TEST: Final = "tests/app/test_reliability.py::test_a_case_comes_out_as_the_page_says"
MACHINE: Final = "statemachines/retrain.asl.yaml"
WAITS: Final = "statemachines/ensure.asl.yaml"


@dataclass(frozen=True)
class Mutant:
    """A safeguard, the edit that takes it out, and the names of the cases that must fail then."""

    safeguard: str
    file: str
    text: str
    instead: str
    cases: tuple[str, ...]


MUTANTS: Final = (
    Mutant(
        "the local AWS repeats what it answered after its last save",
        "local/cloud/aws/saving.py",
        "            _repeat(entry)\n",
        "            log.info(entry)\n",
        (
            "the local AWS is killed while events wait to be delivered",
            "all processes are killed at once while users are being deleted",
        ),
    ),
    Mutant(
        "the local AWS makes no change that its disk does not take",
        "local/cloud/aws/journal.py",
        "                os.ftruncate(self._file, begin)\n                raise\n",
        "                os.ftruncate(self._file, begin)\n                return begin, begin\n",
        ("all processes are killed on a full disk while events wait to be delivered",),
    ),
    Mutant(
        "`up` reports stopped runs to the sweep",
        "local/cloud/resuming.py",
        "failures = sweep(state, runs)",
        "failures = list[str]()",
        ("the engine is killed while a run imports", "the engine is killed while an uploaded file waits for its run"),
    ),
    Mutant(
        "a deletion of users leads the shop",
        f"{DOMAIN}/runs/leases.py",
        "return _taken(ledger, executions, _erasing(shop, erasure, now), now) is None",
        "return True",
        ("users are deleted beside a run",),
    ),
    Mutant(
        "a deletion of users waits for batch jobs and for whatever else uses the shop's data",
        f"{DOMAIN}/maintenance/erasure.py",
        "if self._batch_jobs(shop.name) or self._jobs.beside(groups):",
        "if not shop.name:",
        ("users are deleted beside the training of a segment",),
    ),
    Mutant(
        "the time of a wait begins anew when something moved",
        WAITS,
        "'worked': $moved ? 0 : ",
        "'worked': ",
        ("three import jobs of twenty minutes follow each other",),
    ),
    Mutant(
        "a rate is waited for",
        f"{DOMAIN}/core/aws/errors.py",
        'return NoRoom(resource, f"{message} ({advice})", PATIENCE)',
        'return Broken(resource, f"{message} ({advice})")',
        ("CreateFilter exceeds a rate", "CreateRecommender exceeds a rate"),
    ),
    Mutant(
        "no event is accepted of users who are being deleted",
        f"{DOMAIN}/events/erasure_requests.py",
        "return user in users",
        "return False",
        ("users are deleted beside streaming events",),
    ),
    Mutant(
        "the sweep lists the bucket",
        "functions/sweep_drops/app.py",
        "claim_lost(ledger, executions, objects, sought)",
        "claim_lost(ledger, executions, (), sought)",
        ("the event of a file is lost", "a shop's files are dropped before S3 sends events"),
    ),
    Mutant(
        "bytes that are imported already are not imported again",
        f"{DOMAIN}/ingest/prepare.py",
        "return last if source.has(last.content, expected.kind, settings) else None",
        "return None",
        (
            "the same bytes are dropped again after their run",
            "a run is stopped while it imports, and its bytes are dropped again",
        ),
    ),
    Mutant(
        "a solution version is named after its run",
        f"{DOMAIN}/personalize/training.py",
        "create_solution_version(name=name, solutionArn",
        "create_solution_version(solutionArn",
        (
            "the answer of CreateSolutionVersion is lost",
            "TrainSolutionFunction is killed when it has begun a training",
        ),
    ),
    Mutant(
        "a run that goes on looks for the trainings of the run before",
        f"{DOMAIN}/personalize/training.py",
        "(*recipe.earlier_versions, recipe.solution_version_name)",
        "(recipe.solution_version_name,)",
        ("a campaign's update ends in CREATE FAILED", "a run is stopped while it trains"),
    ),
    Mutant(
        "a run that goes on looks for the import jobs of the run before",
        f"{DOMAIN}/personalize/ensure.py",
        "[*wanted.earlier, wanted]",
        "[wanted]",
        (
            "a SolutionVersion ends in CREATE FAILED",
            "a run is stopped while it judges",
            "the second of the import jobs that files need together ends in CREATE FAILED",
        ),
    ),
    Mutant(
        "names carry a hash of a run's whole id",
        f"{DOMAIN}/core/names.py",
        "return hashlib.sha256(run.encode()).hexdigest()[:RUN_LENGTH]",
        "return run.lower()[-RUN_LENGTH:]",
        ("a schedule starts a second training",),
    ),
    Mutant(
        "a wait whose start is lost is tried again",
        MACHINE,
        "StepFunctions.ExecutionLimitExceededException, StepFunctions.SdkClientException,",
        "StepFunctions.ExecutionLimitExceededException,",
        ("the machine loses the connection of startExecution",),
    ),
    Mutant(
        "a dropped object is claimed once",
        f"{DOMAIN}/runs/store.py",
        '"attribute_not_exists(#record)"',
        '"attribute_not_exists(#record) OR attribute_exists(#record)"',
        ("an event comes again after its run",),
    ),
    Mutant(
        "a shop is led by one run",
        f"{DOMAIN}/runs/store.py",
        '"attribute_not_exists(#owner) OR #owner = :owner OR #owner = :other"',
        '"attribute_not_exists(#owner) OR #owner = :owner OR #owner <> :other"',
        ("another file comes during a run",),
    ),
    Mutant(
        "before a training, a run makes sure that it still leads its shop",
        f"{DOMAIN}/runs/lifecycle.py",
        "    if holder or lost:\n",
        "    if holder and lost and not drops:\n",
        ("a stopped run is redriven after another took over",),
    ),
    Mutant(
        "a function that was killed is retried",
        MACHINE,
        " Runtime.ExitError,",
        "",
        ("JudgeReleaseFunction is killed at judge when it is done",),
    ),
    Mutant(
        "a function that was killed while something is waited for is asked again",
        WAITS,
        " Runtime.ExitError,",
        "",
        ("ImportDataFunction is killed at importJob before it begins",),
    ),
    Mutant(
        "a new resource may not be visible yet",
        f"{DOMAIN}/personalize/readiness.py",
        'raise RetryLater(arn, "it is not seen yet")',
        'raise Broken(arn, "it is not seen yet")',
        ("a new Filter is not seen yet", "a new SolutionVersion is not seen yet"),
    ),
    Mutant(
        "“already exists” means found",
        f"{DOMAIN}/personalize/ensure.py",
        'false_on("ResourceAlreadyExistsException", create, *arguments, **request)',
        "create(*arguments, **request)",
        ("CreateFilter answers that it was just created", "CreateDatasetImportJob answers that it exists already"),
    ),
    Mutant(
        "a resource found in CREATE FAILED is made again",
        f"{DOMAIN}/core/status.py",
        "return status == FAILED",
        'return status == "NEVER"',
        ("a DatasetGroup ends in CREATE FAILED", "a Filter ends in CREATE FAILED"),
    ),
    Mutant(
        "a full quota of running jobs is waited for",
        f"{DOMAIN}/core/aws/errors.py",
        "if error.operation_name in _JOBS:",
        'if "NEVER" in message:',
        ("CreateSolutionVersion exceeds the number of jobs under way",),
    ),
    Mutant(
        "a campaign that is being updated is waited for",
        f"{DOMAIN}/personalize/campaigns.py",
        'return "wait" if same and Progress.LEAVING not in moving else "busy"',
        'return "wait"',
        ("the campaign is being updated already",),
    ),
    Mutant(
        "a release that fails its probe is taken back",
        MACHINE,
        'Condition: "{% $count($back) > 0 %}"',
        'Condition: "{% $count($back) > 999 %}"',
        ("the probe fails", "GetRecommendations never answers the probe"),
    ),
    Mutant(
        "a run calls its functions by the versions that it began with",
        "template.yaml",
        "ImportDataFunction: !Ref ImportDataFunction.Version",
        "ImportDataFunction: !GetAtt ImportDataFunction.Arn",
        ("another release of this project is deployed during a run",),
    ),
)
"""Representative safeguards, of every part of a run."""


def survives(mutant: Mutant) -> str:
    """Play a mutant's cases on a copy of the sources without its safeguard; tells which of them did not fail."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder)
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"],  # noqa: S607
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        for name in filter(lambda name: (ROOT / name).is_file(), listed.stdout.splitlines()):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
        (copy / ".local").mkdir()
        for shared in (".venv", ".local/cloud", ".local/sam"):
            (copy / shared).symlink_to(ROOT / shared)
        changed = (copy / mutant.file).read_text()
        if mutant.text not in changed:
            return f"{mutant.file} has no {mutant.text!r} any more"
        (copy / mutant.file).write_text(changed.replace(mutant.text, mutant.instead))
        chosen = [f"{TEST}[{case}]" for case in mutant.cases]
        done = subprocess.run(
            [".venv/bin/python", "-m", "pytest", "-q", "-rfpE", "--tb=no", "-m", "", "-p", "no:cacheprovider", *chosen],
            cwd=copy, env=os.environ | {"PYTHONPATH": ""}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        alive = [case for case in mutant.cases if f"FAILED {TEST}[{case}]" not in done.stdout]
        return f"{'; '.join(alive)} did not fail:\n{done.stdout[-1500:]}" if alive else ""


def main(words: list[str]) -> int:
    """Try mutants and say what came of each; the exit code is how many survived."""
    survivors = 0
    for mutant in MUTANTS:
        if words and not any(word in mutant.safeguard for word in words):
            continue
        told = survives(mutant)
        survivors += bool(told)
        word = "SURVIVES" if told else "noticed"
        print(f"{word}: without “{mutant.safeguard}” {told}", flush=True)  # noqa: T201
    return survivors


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
