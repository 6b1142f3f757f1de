# SPDX-License-Identifier: Apache-2.0
"""Partial results as bytes: one JSON document, and frames as Arrow IPC."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import polars as pl

from table_intake.wording import codes, restored

_LENGTH = 8
"""Bytes before the document, which hold its size."""


@dataclass(frozen=True, slots=True)
class State:
    """A partial result that another process can read."""

    document: Mapping[str, Any] = field(default_factory=dict)
    frames: Mapping[str, pl.DataFrame] = field(default_factory=dict)

    def inner(self, name: str) -> "State":
        """Return one of the states that `joined` put together."""
        mark = f"{name}/"
        frames = {key.removeprefix(mark): frame for key, frame in self.frames.items() if key.startswith(mark)}
        return State(self.document[name], frames)


def joined(states: Mapping[str, State]) -> State:
    """Put states together under their names."""
    frames = {f"{name}/{key}": frame for name, state in states.items() for key, frame in state.frames.items()}
    return State({name: state.document for name, state in states.items()}, frames)


def pack(state: State) -> bytes:
    bodies = {name: _ipc(frame) for name, frame in state.frames.items()}
    sizes = {name: len(body) for name, body in bodies.items()}
    members = {"document": state.document, "frames": sizes, "texts": codes(state.document)}
    document = json.dumps(members, ensure_ascii=False).encode()
    return b"".join([len(document).to_bytes(_LENGTH), document, *bodies.values()])


def unpack(data: bytes) -> State:
    end = _LENGTH + int.from_bytes(data[:_LENGTH])
    members = json.loads(data[_LENGTH:end])
    frames = {}
    for name, size in members["frames"].items():
        frames[name] = pl.read_ipc(BytesIO(data[end : end + size]))
        end += size
    return State(restored(members["document"], members["texts"]), frames)


def _ipc(frame: pl.DataFrame) -> memoryview:
    file = BytesIO()
    frame.write_ipc(file)
    return file.getbuffer()
