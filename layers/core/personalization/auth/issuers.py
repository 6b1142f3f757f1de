# SPDX-License-Identifier: Apache-2.0
"""The public keys of an OIDC issuer, found as OpenID Connect Discovery 1.0 says."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import urllib3

from personalization.auth import tokens
from personalization.core.errors import Broken, RetryLater

if TYPE_CHECKING:
    from joserfc.jwk import Key

MOST_BYTES = 256 * 1024
"""Of a document."""
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_HTTP = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=1.0, read=2.0), maxsize=2)


def public_keys(issuer: str, get: Callable[[str], bytes]) -> dict[str, "Key"]:
    """The issuer's keys by their ids.

    Args:
        issuer: its address, as its tokens write it.
        get: fetches a document.

    Raises:
        RetryLater: it does not answer.
        Broken: it answers as something else, or with no key.
    """
    found = _document(issuer, get(issuer.rstrip("/") + "/.well-known/openid-configuration"))
    address = found.get("jwks_uri")
    if found.get("issuer") != issuer or not isinstance(address, str) or not is_safe(address):
        raise Broken(issuer, "its discovery document is another issuer's, or names no safe jwks_uri")
    keys = tokens.public_keys(_document(issuer, get(address)))
    if not keys:
        raise Broken(issuer, "it shows no public key that signatures can be checked with")
    return keys


def is_safe(address: str) -> bool:
    """Whether what comes from there is what was sent: HTTPS, or this very machine (a developer's)."""
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def fetch(address: str) -> bytes:
    """A document over HTTPS; no redirect is followed.

    Raises:
        RetryLater: no answer, or not this one.
        Broken: the address is not safe.
    """
    if not is_safe(address):
        raise Broken(address, "an issuer must be asked over https")
    try:
        response = _HTTP.request("GET", address, redirect=False, preload_content=False)
        content = response.read(MOST_BYTES + 1)
        response.release_conn()
    except urllib3.exceptions.HTTPError as error:
        raise RetryLater(address, f"no answer: {type(error).__name__}") from error
    if response.status != 200 or len(content) > MOST_BYTES:
        raise RetryLater(address, f"answered {response.status} with {len(content)} bytes")
    return bytes(content)


def _document(issuer: str, content: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Broken(issuer, "its documents are not JSON objects")
    return found
