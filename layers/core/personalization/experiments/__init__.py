# SPDX-License-Identifier: Apache-2.0
"""Experiments: what a shop can see before one starts. Numbers in, numbers out."""
