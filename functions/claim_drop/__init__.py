# SPDX-License-Identifier: Apache-2.0
"""Claim what was dropped, lead the shop, collect, and leave nothing behind."""
