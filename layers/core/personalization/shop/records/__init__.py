# SPDX-License-Identifier: Apache-2.0
"""What is stored of a shop: its release, and the table of its items."""
