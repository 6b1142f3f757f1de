# SPDX-License-Identifier: Apache-2.0
"""Take the first and last steps of a run: claim its drop, lead the shop, record outcomes."""
