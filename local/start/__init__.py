# SPDX-License-Identifier: Apache-2.0
"""``python -m local start``: from a shop's files to its first lists, in one command."""
