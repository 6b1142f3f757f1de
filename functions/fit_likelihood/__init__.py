# SPDX-License-Identifier: Apache-2.0
"""Fit a shop's purchase likelihood after a promotion."""
