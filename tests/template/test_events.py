# SPDX-License-Identifier: Apache-2.0
"""`events/` has what its parts say; `make events` writes it."""

from tests.handlers.events import EVENTS, composed


def test_every_event_is_as_its_parts_say() -> None:
    files = list(composed())
    assert len({file for file, _ in files}) == len(files)
    assert {file.name for file, _ in files} == {file.name for file in EVENTS.glob("*.json")}
    assert [file.name for file, text in files if file.read_text() != text] == []
