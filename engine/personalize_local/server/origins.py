# SPDX-License-Identifier: Apache-2.0
"""Tell a program of this machine from a web page that the machine's browser shows, by the headers of a request.

A server on 127.0.0.1 answers every page of every site that the developer visits. A page can't choose three headers:
`Host`, the name that it was given for this address, `Origin`, and `Sec-Fetch-Site`.
"""

import re
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Final

OWN: Final = frozenset({"127.0.0.1", "localhost"})
"""Names of this machine that no name server can give to another."""
_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::\d{1,5})?", re.ASCII)
_SITES: Final = frozenset({"same-origin", "none"})
"""`none`: somebody typed the address, or followed a link outside the browser. `same-site` is another port's page."""

Own = Callable[[str], bool]
"""Whether a host's name, in small letters and without the port, is the server's own."""


def refusal(host: str | None, origin: str | None, site: str | None, own: Own = OWN.__contains__) -> str:
    """Why a request that a page of another origin may have caused is refused; empty for any other request.

    Args:
        host: the request's `Host`.
        origin: its `Origin`, if it has one.
        site: its `Sec-Fetch-Site`, if it has one.
        own: tells the server's own names.
    """
    return foreign_name(host, own) or foreign_page(host, origin, site)


def foreign_name(host: str | None, own: Own = OWN.__contains__) -> str:
    """Why a request for a server of this name is refused; empty for one of its own names."""
    found = _HOST.fullmatch((host or "").lower())
    if found and own(found[1].strip("[]")):
        return ""
    return f"This server is not called {host or 'nothing'}: ask for 127.0.0.1 or localhost."


def foreign_page(host: str | None, origin: str | None, site: str | None) -> str:
    """Why a page's request to a server that it does not come from is refused; empty for any other request."""
    if origin is not None and origin.lower() != f"http://{(host or '').lower()}":
        return f"A page of {origin} may not ask this server: only programs of this machine and its own pages may."
    if site is not None and site.lower() not in _SITES:
        return "A page of another origin may not ask this server: only programs of this machine and its own pages may."
    return ""


def names_of(address: str, more: Iterable[str] = ()) -> Own:
    """The own names of a server that listens on `address`: those of this machine, the address, and `more`.

    One that listens on every address also goes by each of them, since a name server decides about no address.
    """
    known = OWN | {address.lower()} | {name.lower() for name in more}
    everywhere = address in {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound

    def own(name: str) -> bool:
        return name in known or (everywhere and _is_address(name))

    return own


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
