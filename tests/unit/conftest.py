# SPDX-License-Identifier: Apache-2.0
"""Property tests give the same examples on every machine, however slow it is."""

from hypothesis import settings

settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")
