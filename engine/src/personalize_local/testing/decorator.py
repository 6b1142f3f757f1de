# SPDX-License-Identifier: Apache-2.0
"""`@mock_personalize`, beside moto's `@mock_aws`: an engine for the time of a test."""

import unittest
from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from inspect import iscoroutinefunction, signature
from typing import Any, TypeVar, overload

from personalize_local.testing.throwaway import personalize

T = TypeVar("T", bound=Callable[..., Any])
Test = Any
"""A function, or a class with tests."""


@overload
def mock_personalize(test: T) -> T: ...
@overload
def mock_personalize(**options: Any) -> Callable[[T], T]: ...  # noqa: ANN401
def mock_personalize(test: Test = None, **options: Test) -> Test:
    """Run a test on an engine of its own: boto3's clients of Personalize find it.

    A class gets an engine for each of its tests, from `setUp` or `setup_method` on. `options` are those of
    `personalize`.
    """
    if test is None:
        return lambda decorated: mock_personalize(decorated, **options)
    if isinstance(test, type):
        return _class(test, options)
    if iscoroutinefunction(test):

        @wraps(test)
        async def asynchronous(*args: Test, **kwargs: Test) -> Test:
            with personalize(**options):
                return await test(*args, **kwargs)

        return asynchronous

    @wraps(test)
    def synchronous(*args: Test, **kwargs: Test) -> Test:
        with personalize(**options):
            return test(*args, **kwargs)

    return synchronous


def _class(tests: type, options: dict[str, Any]) -> type:
    if issubclass(tests, unittest.TestCase):
        tests.run = mock_personalize(tests.run, **options)  # type: ignore[method-assign]
        return tests
    begin, end = (getattr(tests, name, None) for name in ("setup_method", "teardown_method"))
    running: list[ExitStack] = []

    def setup_method(self: Test, method: Test) -> None:
        with ExitStack() as stack:
            stack.enter_context(personalize(**options))
            _call(begin, self, method)
            running.append(stack.pop_all())

    def teardown_method(self: Test, method: Test) -> None:
        with running.pop():
            _call(end, self, method)

    tests.setup_method, tests.teardown_method = setup_method, teardown_method  # type: ignore[attr-defined]
    return tests


def _call(prepare: Callable[..., None] | None, self: Test, method: Test) -> None:
    """Call a class's `setup_method` or `teardown_method` as pytest does: with the test's method if it takes that."""
    if prepare:
        prepare(self, *[method][: len(signature(prepare).parameters) - 1])
