# SPDX-License-Identifier: Apache-2.0
"""What the processes and the functions of the local cloud have written."""

import collections
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from local.cloud.client import Client
from local.cloud.environments import LocalError
from local.cloud.home import Home, running
from local.terminal.output import Terminal


def show(options: Namespace, terminal: Terminal) -> None:
    """Show a log, or which there are."""
    home = Home(options.run_dir)
    files = {path.stem: path for path in sorted(home.run.glob("*.log"))}
    if options.name in files:
        return print_lines(file_lines(files[options.name], options.lines, follow=options.follow), terminal)
    state = running(home)
    functions = Client(state).functions() if state is not None else {}
    if options.name in functions and state is not None:
        lines = Client(state).log_lines(functions[options.name], follow=options.follow, limit=options.lines)
        return print_lines(lines, terminal)
    if options.name:
        known = ", ".join([*files, *functions]) or "none before `python -m local up`"
        raise LocalError(f"there is no log {options.name}; there are: {known}")
    places = {name: str(path) for name, path in files.items()} | functions
    if terminal.as_json:
        return terminal.json(places)
    return terminal.table(("log", "where"), places.items())


def print_lines(lines: Iterator[str], terminal: Terminal) -> None:
    """Lines of a log; as JSON, one string a line."""
    for line in lines:
        if terminal.as_json:
            terminal.json(line)
        else:
            terminal.line(line)


def file_lines(path: Path, limit: int, *, follow: bool) -> Iterator[str]:
    """The last `limit` lines of a file; with `follow`, then what is added, without end."""
    with path.open(errors="replace") as file:
        yield from (line.rstrip("\n") for line in collections.deque(file, limit))
        while follow:
            line = file.readline()
            if line:
                yield line.rstrip("\n")
            else:
                time.sleep(0.2)
