# SPDX-License-Identifier: Apache-2.0
"""Runs: which claim what was dropped, lead a shop one at a time, and leave nothing behind."""
