# SPDX-License-Identifier: Apache-2.0
"""A throw-away engine in a thread of the test's process, and boto3's clients of it."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields, replace
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import boto3

from personalize_local.data.s3 import S3
from personalize_local.engine import Options
from personalize_local.resources.quotas import AWS, Quotas
from personalize_local.server.running import Server
from personalize_local.testing.doors import Clock, FaultDoor
from personalize_local.testing.redirection import SERVICES, redirected

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_personalize_events import PersonalizeEventsClient
    from mypy_boto3_personalize_runtime import PersonalizeRuntimeClient

_KEYS: Final = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
_QUOTAS: Final = frozenset(field.name for field in fields(Quotas))
_SETTABLE: Final = _QUOTAS | {field.name for field in fields(Options)} - {"s3", "quotas", "faults", "in_process"}


class Personalize:
    """A running engine, as tests see it."""

    def __init__(self, url: str, s3_root: Path, region: str) -> None:
        self.url = url
        """Its address, for other programs and SDKs."""
        self.s3_root = s3_root
        """The folder in which `s3://bucket/key` is `bucket/key`. While moto's `mock_aws` runs, its S3 counts."""
        self.region = region
        self.faults = FaultDoor(url)
        self.clock = Clock(self.faults)

    @cached_property
    def personalize(self) -> "PersonalizeClient":
        return self._client("personalize")  # type: ignore[no-any-return]

    @cached_property
    def runtime(self) -> "PersonalizeRuntimeClient":
        return self._client("personalize-runtime")  # type: ignore[no-any-return]

    @cached_property
    def events(self) -> "PersonalizeEventsClient":
        return self._client("personalize-events")  # type: ignore[no-any-return]

    @property
    def environment(self) -> dict[str, str]:
        """Variables that send the AWS CLI, or an SDK in another process, to this engine."""
        urls = {f"AWS_ENDPOINT_URL_{name.upper().replace('-', '_')}": self.url for name in sorted(SERVICES)}
        return urls | _KEYS | {"AWS_DEFAULT_REGION": self.region}

    def _client(self, service: str) -> Any:  # noqa: ANN401
        return _session().client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.url,
            region_name=self.region,
            aws_access_key_id=_KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=_KEYS["AWS_SECRET_ACCESS_KEY"],
        )


@contextmanager
def personalize(**options: Any) -> Iterator[Personalize]:  # noqa: ANN401
    """Run an engine that keeps nothing, and send it what boto3 asks of Personalize anywhere in this process.

    Jobs run in this process, and a call that starts one is answered when it has ended: what a test creates is ACTIVE at
    once. Credentials are set in the environment where it has none, and the region.

    Args:
        options: such as `personalize_local.engine.Options` names, and quotas: `strict=True`, `dataset_groups=20`. With
            `step_seconds=60`, statuses last so long by the clock, which `aws.clock.advance` moves. Without `region`,
            it is the environment's.

    Raises:
        TypeError: there is no such option, or a value is of another type.
    """
    if unknown := sorted(options.keys() - _SETTABLE):
        raise TypeError(f"The engine of a test has no option {unknown[0]}: it has {', '.join(sorted(_SETTABLE))}.")
    for name, value in options.items():
        kind = type(getattr(AWS if name in _QUOTAS else Options(), name))
        if not isinstance(value, (int, float) if kind is float else kind) or isinstance(value, bool) != (kind is bool):
            raise TypeError(f"The option {name} is of type {kind.__name__}, not {value!r}.")
    with ExitStack() as stack:
        region = options.get("region") or os.environ.get("AWS_DEFAULT_REGION") or Options.region
        s3_root = Path(stack.enter_context(TemporaryDirectory(prefix="personalize-local-s3-")))
        elsewhere = S3.chosen(None, "", os.environ)
        quotas = replace(AWS, **{name: options.pop(name) for name in _QUOTAS & options.keys()})
        fixed = {
            "s3": elsewhere if elsewhere.endpoint else S3(s3_root),
            "quotas": quotas,
            "faults": True,
            "in_process": True,
            "region": region,
        }
        server = stack.enter_context(Server(Options(**{"step_seconds": 0.0, "tier": "standard", **options, **fixed})))
        aws = Personalize(server.url, s3_root, region)
        keys = {} if "AWS_ACCESS_KEY_ID" in os.environ else _KEYS
        stack.enter_context(patch.dict(os.environ, keys | {"AWS_DEFAULT_REGION": region}))
        for name in ("HTTP_PROXY", "http_proxy"):  # An engine is reached without one; AWS is by HTTPS.
            os.environ.pop(name, None)
        stack.enter_context(redirected(server.url))
        yield aws


@cache
def _session() -> boto3.Session:
    """Return the session of all tests: it reads the services' models once."""
    return boto3.Session()
