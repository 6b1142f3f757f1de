# SPDX-License-Identifier: Apache-2.0
"""The files in `events/`, composed from `events/parts/`; ``python -m tests.handlers.events`` writes them.

A file of parts has an event under each name. What several events have in common stands there once, as a YAML anchor
under `shared`.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import yaml

EVENTS = Path(__file__).parents[2] / "events"


def composed() -> Iterator[tuple[Path, str]]:
    """Each file and its text."""
    for parts in sorted((EVENTS / "parts").glob("*.yaml")):
        for name, event in yaml.safe_load(parts.read_text()).items():
            if name != "shared":
                yield EVENTS / f"{name}.json", json.dumps(event, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for file, text in composed():
        file.write_text(text)
