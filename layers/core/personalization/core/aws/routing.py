# SPDX-License-Identifier: Apache-2.0
"""Let another than AWS answer some of the calls of our clients, in this process.

Who answers has the form of AWS: parameters and answers have the names and types of botocore's methods, and errors are
those of `errors.refusal`. So callers do not know who it is.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

Answer = Callable[[Mapping[str, Any]], Any]
"""Answers a call, given its parameters."""


class Backend(Protocol):
    """Who answers calls about the resources that it has."""

    def has(self, parameters: Mapping[str, Any]) -> bool:
        """Return whether a call with these parameters is about one of the backend's resources."""
        ...

    def answer(self, operation: str, parameters: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any answer
        """Answer a call; `operation` is its name in the service's model.

        Raises:
            ClientError: see `errors.refusal`.
        """
        ...


_BACKENDS: dict[str, Backend] = {}
"""By the start of the names of the services whose calls they may answer."""


def connect(services: str, backend: Backend) -> None:
    """Let a backend answer calls of services whose names begin with a word, in place of an earlier one."""
    _BACKENDS[services] = backend


def connected(services: str) -> Backend | None:
    """Return who answers such calls."""
    return _BACKENDS.get(services)


class Routed:
    """A base of our clients. A call that AWS need not see goes to a backend: by its parameters, or all of a client."""

    routed = False
    """Whether all calls of this client are a backend's."""

    def _make_api_call(self, operation_name: str, api_params: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any answer
        service = self.meta.service_model.service_name  # type: ignore[attr-defined]
        for start, backend in _BACKENDS.items():
            if service.startswith(start) and (self.routed or backend.has(api_params)):
                return backend.answer(operation_name, api_params)
        return super()._make_api_call(operation_name, api_params)  # type: ignore[misc]
