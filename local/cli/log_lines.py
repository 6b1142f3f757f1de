# SPDX-License-Identifier: Apache-2.0
"""``python -m local logs``: what the processes and the functions of the local cloud have written."""

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
    """Show a log, or which there are; in JSON each line is a string."""
    home = Home(options.run_dir)
    files = {path.stem: path for path in sorted(home.run.glob("*.log"))}
    state = None if options.name in files else running(home)
    client = Client(state) if state is not None else None
    functions = client.functions() if client is not None else {}
    if options.name in files:
        lines = file_lines(files[options.name], options.lines, follow=options.follow)
    elif client is not None and options.name in functions:
        lines = client.log_lines(functions[options.name], follow=options.follow, limit=options.lines)
    elif options.name:
        known = ", ".join([*files, *functions]) or "none before `python -m local up`"
        raise LocalError(f"there is no log {options.name}; there are: {known}")
    else:
        places = {name: str(path) for name, path in files.items()} | functions
        return terminal.result(places, lambda: terminal.table(("log", "where"), places.items()))
    for line in lines:
        (terminal.json if terminal.as_json else terminal.line)(line)
    return None


def file_lines(path: Path, limit: int, *, follow: bool) -> Iterator[str]:
    """Yield the last `limit` lines of a file; with `follow`, then what is added, without end."""
    with path.open(errors="replace") as file:
        yield from (line.rstrip("\n") for line in collections.deque(file, limit))
        while follow:
            line = file.readline()
            if line:
                yield line.rstrip("\n")
            else:
                time.sleep(0.2)
