# SPDX-License-Identifier: Apache-2.0
"""Measure `make test` and both parts of it, and write what they take into CONTRIBUTING.md.

The whole plays its parts side by side, so it takes less than their sum. Needs a machine on which nothing else runs, and
three quarters of an hour. `--busy 4` has four processes take the processors
meanwhile, and measures no figures: it shows whether the tests pass. Ends with 1 if a test fails.
"""

import argparse
import contextlib
import os
import platform
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import REPOSITORY

PAGE = REPOSITORY / "CONTRIBUTING.md"
COMMANDS = ("quick", "scenarios", "test")
BEGIN, END = "<!-- benchmarks.suite -->", "<!-- /benchmarks.suite -->"
HEAD = ["| command | tests | time | processor time |", "|---|---:|---:|---:|"]
BUSY = "while True: pass"
_PASSED = re.compile(r"^(?:\d+ failed, )?(\d+) passed\b.* in [\d.]+s", re.MULTILINE)


@dataclass(frozen=True)
class Took:
    """What a command took, in seconds; `processors`: of it and of all processes that it waited for."""

    command: str
    tests: int
    wall: float
    processors: float

    def row(self) -> str:
        """Return a row of the table."""
        return f"| `make {self.command}` | {self.tests:,} | {minutes(self.wall)} | {minutes(self.processors)} |"


def minutes(seconds: float) -> str:
    """Return a time in words, as in ``4 min 39 s``."""
    whole, rest = divmod(round(seconds), 60)
    return f"{whole} min {rest} s"


def passed(output: str) -> int:
    """Return how many tests passed, by the last lines of pytest; a command may run it several times."""
    return sum(int(count) for count in _PASSED.findall(output))


def machine() -> str:
    """Return what the figures were measured on, in words."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    version = ".".join(platform.python_version_tuple()[:2])
    return f"{os.cpu_count()} processors, {memory:.0f} GB, {platform.system()}, Python {version}"


def written(text: str, rows: Sequence[Took], where: str) -> str:
    """Return a page with a table of these rows between its marks.

    Raises:
        ValueError: the page has no marks.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there is no {BEGIN} … {END}")
    table = "\n".join([*HEAD, *(row.row() for row in rows)])
    return f"{before}{BEGIN}\n{table}\n\nOn {where}, with nothing else running.\n{END}{after}"


def measure(command: str) -> tuple[Took, bool]:
    """Run a command of the Makefile and show its output; return what it took, and whether all went well."""
    before, began, lines = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic(), list[str]()
    with subprocess.Popen(["make", command], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:  # noqa: S607
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processors = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    took = Took(command, passed("".join(lines)), time.monotonic() - began, processors)
    return took, process.returncode == 0


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """Have so many processes take the processors."""
    others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def main() -> None:
    """Measure the commands, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.suite", description=__doc__)
    parser.add_argument("commands", nargs="*", metavar="COMMAND", help=f"of {', '.join(COMMANDS)}; default: all")
    parser.add_argument("--busy", type=int, default=0, metavar="N", help="so many processes take the processors")
    options = parser.parse_args()
    if wrong := set(options.commands) - {*COMMANDS}:
        parser.error(f"{', '.join(sorted(wrong))}: must be of {', '.join(COMMANDS)}")
    # What is installed and downloaded is not measured.
    subprocess.run(["make", "setup", "clients"], cwd=REPOSITORY, check=True)  # noqa: S607
    rows, is_good = [], True
    with busy(options.busy):
        for command in options.commands or COMMANDS:
            took, has_passed = measure(command)
            rows.append(took)
            is_good &= has_passed
    print("\n".join([*HEAD, *(row.row() for row in rows)]))
    if not is_good:
        sys.exit("Not all tests passed, and nothing was written.")
    if not options.busy and len(rows) == len(COMMANDS):
        write(PAGE, rows)


def write(page: Path, rows: Sequence[Took]) -> None:
    """Write the table into a page."""
    page.write_text(written(page.read_text(), rows, machine()))


if __name__ == "__main__":
    main()
