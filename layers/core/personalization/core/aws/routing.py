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

    def answer(self, operation: str, parameters: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any answer
        """Answer a call; `operation` is its name in the service's model.

        Raises:
            ClientError: see `errors.refusal`.
        """
        ...


_BACKENDS: dict[str, Backend] = {}
"""By the service in the ARNs of their resources."""


def connect(service: str, backend: Backend) -> None:
    """Let a backend answer the calls about resources whose ARNs have this service, in place of an earlier one.

    A tracking id that begins with the service and a colon is such a resource as well.
    """
    _BACKENDS[service] = backend


def connected(service: str) -> Backend | None:
    """Return who answers such calls."""
    return _BACKENDS.get(service)


class Routed:
    """A base of clients of Amazon Personalize. What AWS need not see a backend answers: by its ARN, or all of a client.

    Other members are what users and shops write: an id may look like an ARN.
    """

    routed = ""
    """Whose all calls of this client are, by the service in ARNs; empty for none's."""

    def _make_api_call(self, operation_name: str, api_params: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any answer
        services = {self.routed, str(api_params.get("trackingId", "")).partition(":")[0]}
        for name, value in api_params.items():
            if name.endswith("Arn"):
                services.update(str(value).split(":", 3)[2:3])
        for service in services & _BACKENDS.keys():
            return _BACKENDS[service].answer(operation_name, api_params)
        return super()._make_api_call(operation_name, api_params)  # type: ignore[misc]
