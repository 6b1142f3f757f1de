# SPDX-License-Identifier: Apache-2.0
"""The page at `/`: what the engine has, what it is doing, and a place to ask it. No part of AWS's API.

The page reads the door below, which changes nothing, and asks like any client: by the three public APIs.
"""

from personalize_local.page.door import DOOR, HEADERS, PEOPLE, answer

__all__ = ["DOOR", "HEADERS", "PEOPLE", "answer"]
