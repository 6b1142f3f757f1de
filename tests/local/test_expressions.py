# SPDX-License-Identifier: Apache-2.0
import threading

import jsonata
import pytest
from jsonata import timebox

from local.cloud.aws.expressions import ProcessorTime


@pytest.fixture(autouse=True)
def _limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timebox, "Timebox", ProcessorTime)


def test_an_expression_that_gets_no_processor_is_not_ended() -> None:
    expression = jsonata.Jsonata.jsonata("$pause() + 1", timeout=20)
    expression.register_lambda("pause", lambda: 1 - threading.Event().wait(0.05))
    assert expression.evaluate(None) == 2


def test_an_expression_without_an_end_is_ended() -> None:
    with pytest.raises(jsonata.jexception.JException) as ended:
        jsonata.Jsonata.jsonata("($turn := function($n) { $turn($n + 1) }; $turn(0))", timeout=20).evaluate(None)
    assert ended.value.error == "D1012"
