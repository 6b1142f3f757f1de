# SPDX-License-Identifier: Apache-2.0
"""Run the steps of a test on held-out time in a child process, since a history may be too large for it."""

from personalization.core.bounded import parent

handler = parent.handler(__name__)
