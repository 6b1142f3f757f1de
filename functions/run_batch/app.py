# SPDX-License-Identifier: Apache-2.0
"""Run the steps of batch jobs in a child process, since a list of users may end it."""

from personalization.core.bounded import parent

handler = parent.handler(__name__)
