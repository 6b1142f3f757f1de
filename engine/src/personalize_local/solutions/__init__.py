# SPDX-License-Identifier: Apache-2.0
"""What a solution may ask for: its recipe, its configuration, and what a search may try."""
