# SPDX-License-Identifier: Apache-2.0
"""Whom a token names. Nothing but this is here, so that the authorizer starts without what checks requests."""

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a token names.

    Attributes:
        user: the shopper who is logged in; "" for a visitor.
        session: the session that the token proves; "" where it proves none.
        shop: the only shop that the token is for; "" for any of the stack.
        expires: epoch seconds from which on the token is worth nothing.
    """

    user: str
    session: str
    shop: str
    expires: int

    @property
    def own(self) -> str:
        """The id under which the caller is recommended to: a visitor's is the session's."""
        return self.user or self.session

    def context(self) -> dict[str, str | int]:
        """As API Gateway passes it on from the authorizer: plain ASCII."""
        texts = {"user": self.user, "session": self.session, "shop": self.shop}
        return {**{name: quote(text, safe="") for name, text in texts.items()}, "expires": self.expires}
