# SPDX-License-Identifier: Apache-2.0
"""Tell programs of this machine from web pages in its browser, by the headers of a request.

Every page of every site that a developer visits can reach a server on 127.0.0.1. A page cannot choose three headers:
`Host`, the name that it used for this address, `Origin`, and `Sec-Fetch-Site`.
"""

import re
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Final

OWN_NAMES: Final = frozenset({"127.0.0.1", "localhost"})
"""Names of this machine that no name server can give to another."""
_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::\d{1,5})?", re.ASCII)
_SITES: Final = frozenset({"same-origin", "none"})
"""`none`: a user typed the address, or followed a link outside the browser. `same-site` is another port's page."""

IsOwn = Callable[[str], bool]
"""Tells whether a host name, in lower case and without the port, is the server's own."""


def refusal(host: str | None, origin: str | None, site: str | None, is_own: IsOwn = OWN_NAMES.__contains__) -> str:
    """Return why a request that may come from a page of another origin is refused; empty for any other request.

    `host`, `origin` and `site` are its headers `Host`, `Origin` and `Sec-Fetch-Site`.
    """
    return foreign_name(host, is_own) or foreign_page(host, origin, site)


def foreign_name(host: str | None, is_own: IsOwn = OWN_NAMES.__contains__) -> str:
    """Return why a request for a server of this name is refused; empty for one of its own names."""
    match = _HOST.fullmatch((host or "").lower())
    if match and is_own(match[1].strip("[]")):
        return ""
    return f"This server is not called {host or 'nothing'}: ask for 127.0.0.1 or localhost."


def foreign_page(host: str | None, origin: str | None, site: str | None) -> str:
    """Return why a page's request to another server is refused; empty for any other request."""
    if origin is not None and origin.lower() != f"http://{(host or '').lower()}":
        return f"A page of {origin} may not ask this server: only programs of this machine and its own pages may."
    if site is not None and site.lower() not in _SITES:
        return "A page of another origin may not ask this server: only programs of this machine and its own pages may."
    return ""


def names_of(address: str, more: Iterable[str] = ()) -> IsOwn:
    """Return a test for the names of a server on `address`: those of this machine, the address, and `more`.

    A server on every address has each of them as a name, since no name server decides about addresses.
    """
    names = OWN_NAMES | {address.lower()} | {name.lower() for name in more}
    everywhere = address in {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound

    def is_own(name: str) -> bool:
        return name in names or (everywhere and _is_address(name))

    return is_own


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
