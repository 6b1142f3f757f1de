# SPDX-License-Identifier: Apache-2.0
"""Join the files of an export in a child process, since a file may end it."""

from personalization.core.bounded import parent

handler = parent.handler(__name__, again=True)
