# SPDX-License-Identifier: Apache-2.0
"""Runs: claim dropped objects, lead a shop one at a time, and record how each drop ended."""
