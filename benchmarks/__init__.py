# SPDX-License-Identifier: Apache-2.0
"""One script per claim in the README; each prints ours and a peer's (or a floor's) figure from the same run."""

import local  # noqa: F401 — it knows where the engine and the domain package are
