# SPDX-License-Identifier: Apache-2.0
"""Measurements behind decisions; README.md says what holds for them."""
