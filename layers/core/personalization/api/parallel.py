# SPDX-License-Identifier: Apache-2.0
"""Several questions at once: a page with many slots waits for the slowest answer and not for their sum."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from personalization.personalize.requests import Ask, Predicted

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

Predict = Callable[[Ask], Predicted]
MOST = 10
"""Questions that are asked at once; clients keep as many connections."""


class Parallel:
    """Asks from threads that are kept for as long as a process lives, and made when first needed."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    def __call__(self, asks: Sequence[Ask], predict: Predict) -> Predict:
        """Begin to ask all of them.

        Returns:
            Gives each of these questions its answer, or raises what asking it raised. Any other question, and the
            same one again, is asked at that moment.
        """
        if len(asks) < 2:
            return predict
        begun: dict[int, Future[Predicted]] = {id(ask): self._threads().submit(predict, ask) for ask in asks}

        def answer(ask: Ask) -> Predicted:
            future = begun.pop(id(ask), None)
            return predict(ask) if future is None else future.result()

        return answer

    def _threads(self) -> "ThreadPoolExecutor":
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - only pages with several slots need it

            self._pool = ThreadPoolExecutor(MOST, "ask")
        return self._pool
