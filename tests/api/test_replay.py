# SPDX-License-Identifier: Apache-2.0
import pytest

from tests.app.replay import record

pytestmark = pytest.mark.usefixtures("aws")


def test_handlers_answer_as_those_of_the_release_before() -> None:
    assert record.differences(record.read(record.HANDLERS), record.played_by_handlers()) == {}
