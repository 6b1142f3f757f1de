# SPDX-License-Identifier: Apache-2.0
"""A shop: its settings and files, its datasets, what it trains and what it serves."""
