# SPDX-License-Identifier: Apache-2.0
"""Requests whose answers were recorded from the release before: the same shop, asked the same, answers the same."""
