# SPDX-License-Identifier: Apache-2.0
"""The embedded engine: Amazon Personalize's three APIs on one port, with recipes that really train."""

from typing import Final

__version__: Final = "0.1.0"
