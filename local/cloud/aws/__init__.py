# SPDX-License-Identifier: Apache-2.0
"""What the local AWS does beyond ministack; it runs in ``.local/cloud``, and nothing else imports its modules.

Programs of this machine reach it at doors below :data:`DOORS`, without a signature.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

DOORS: Final = "/_local/"
"""The beginning of all doors' paths; `/_local/faults` and `/_local/clock` are open to tests alone."""
RIGHTS: Final = "/_local/rights"
"""POST answers whether a caller's role allows an operation of the engine."""
SAVED: Final = "/_local/saved"
"""GET answers what the last session left, and how saving goes; POST saves now; DELETE forgets what was left."""
DOCS: Final = "/_local/docs/"
"""The documentation site, for browsers."""
CLIENT: Final = "RETAIL_RUNTIME_CLIENT"
"""The environment variable that names the runtime interface client of functions: a module of `workers.NEEDED`."""
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]
"""A server, of ASGI."""
