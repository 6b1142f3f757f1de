# SPDX-License-Identifier: Apache-2.0
"""Sends what boto3 asks of Personalize to a throw-away engine, whoever made the client and whenever.

It rewrites the address before a request is signed and sent. So moto, which answers requests to AWS's own hosts, lets
these pass, and the SDK's retries, time limits and lost connections are real.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from botocore.endpoint import Endpoint
from botocore.model import OperationModel

SERVICES: Final = frozenset({"personalize", "personalize-runtime", "personalize-events"})
_ENGINES: Final[list[str]] = []
"""Addresses of the engines that run, the latest last: it gets the requests."""
_METHOD: Final = "make_request"
_MAKE_REQUEST: Final = Endpoint.make_request


@contextmanager
def redirected(url: str) -> Iterator[None]:
    """Let no request to Personalize leave this process meanwhile: it goes to `url`, unless another engine is meant."""
    _ENGINES.append(url)
    setattr(Endpoint, _METHOD, _redirect)
    try:
        yield
    finally:
        _ENGINES.remove(url)
        if not _ENGINES:
            setattr(Endpoint, _METHOD, _MAKE_REQUEST)


def _redirect(endpoint: Endpoint, operation_model: OperationModel, request_dict: dict[str, Any]) -> Any:  # noqa: ANN401
    if operation_model.service_model.service_name in SERVICES and _ENGINES:
        url = urlsplit(request_dict["url"])
        if f"{url.scheme}://{url.netloc}" not in _ENGINES:
            engine = urlsplit(_ENGINES[-1])
            request_dict["url"] = url._replace(scheme=engine.scheme, netloc=engine.netloc).geturl()
    return _MAKE_REQUEST(endpoint, operation_model, request_dict)
