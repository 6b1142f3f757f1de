# SPDX-License-Identifier: Apache-2.0
"""What `make` installs: nothing whose hash is not in a lock file."""

import re
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def test_make_installs_nothing_without_its_hash() -> None:
    line = ["make", "-nB", ".venv/.locked"]
    commands = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    installing = re.findall(r"pip (?:install|sync) (?=-).*", commands)
    editable = [
        command for command in installing if command.endswith("--editable engine --editable table-intake --editable .")
    ]
    assert len(installing) == len(editable) + 2 == 3
    assert all("--no-deps --offline" in command for command in editable)
    assert all("--require-hashes" in command for command in installing if command not in editable)
    extract = re.search(r"(sed .*) > \.venv/uv\.txt", commands)
    assert extract
    told = subprocess.run(["/bin/sh", "-c", extract[1]], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    first, *hashes = told.splitlines()
    assert re.fullmatch(r"uv==[0-9.]+ \\", first)
    assert len(hashes) >= 10, "a wheel for each platform"
    assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", hash_) for hash_ in hashes)


def test_a_tag_publishes_what_make_release_builds_and_nothing_can_write_meanwhile() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())
    jobs = workflow["jobs"]
    assert workflow["permissions"] == {"contents": "read"}
    assert {right for job in jobs.values() for right in job.get("permissions", {})} == {"id-token", "packages"}
    line = ["make", "-n", "release"]
    commands = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {"run": "make release"} in jobs["build"]["steps"]
    made = set(re.findall(r"\.local/release/(\w+)", commands))
    steps = [step for name, job in jobs.items() if name != "build" for step in job["steps"]]
    published = {step["with"]["packages-dir"] for step in steps if "packages-dir" in step.get("with", {})}
    published |= set(re.findall(r"(\w+)/\S+gz", " ".join(step.get("run", "") for step in steps)))
    assert published == made == {"engine", "client", "intake", "npm"}
