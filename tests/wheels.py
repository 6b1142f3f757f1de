# SPDX-License-Identifier: Apache-2.0
"""Wheels for every system that README names: `python -m tests.wheels`, a part of `make check`, asks the package index.

Nothing is built from source on anybody's machine. Intel Macs run the engine alone, and `make setup` says so.
"""

import itertools
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UV = str(Path(sys.prefix) / "bin" / "uv")
LINUX = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu")
APPLE, INTEL = "aarch64-apple-darwin", "x86_64-apple-darwin"
PYTHONS = ("3.11", "3.14")
"""The oldest and the newest."""
ALL = "locks/project.txt", "locks/docs.txt"
"""Of the project's own Python."""
LAYERS = ("dependencies", "numpy", "polars", "tokens")
OF_FUNCTIONS = ("locks/cloud.txt", "locks/sam.txt", *(f"layers/wheels/{name}.txt" for name in LAYERS))
"""Of a Python that is Lambda's too."""

Target = tuple[str, str, str]
"""A file of requirements, a platform and a Python."""


def every() -> Iterator[Target]:
    yield from itertools.product(ALL, (*LINUX, APPLE), PYTHONS)
    yield from itertools.product(OF_FUNCTIONS, (*LINUX, APPLE), ("3.13", "3.11"))
    yield from itertools.product(["engine/pyproject.toml"], (*LINUX, APPLE, INTEL), PYTHONS)


def lacking(wanted: Target) -> str:
    """Return what has no wheel; "" where everything has one."""
    requirements, platform, python = wanted
    target = ["--only-binary", ":all:", "--python-platform", platform, "--python-version", python]
    if requirements.endswith(".txt"):
        line = ["pip", "install", "--dry-run", "--no-deps", "--require-hashes", "-r", requirements]
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [UV, *line, *target, "--target", folder], cwd=ROOT, capture_output=True, text=True, check=False
            )
    else:
        line = ["pip", "compile", "--quiet", "--no-header", "--all-extras", requirements, *target]
        done = subprocess.run([UV, *line], cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"{requirements} for Python {python} on {platform}:\n{done.stderr}"


def main() -> int:
    with ThreadPoolExecutor(4) as pool:
        problems = [reason for reason in pool.map(lacking, every()) if reason]
    if not lacking((ALL[0], INTEL, PYTHONS[0])):
        problems.append("Intel Macs could run the application too: `make setup` need not refuse them")
    sys.stdout.write("\n".join(problems) or f"all {len(list(every()))} sets of packages have wheels\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
