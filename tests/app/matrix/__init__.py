# SPDX-License-Identifier: Apache-2.0
"""The fault matrix: what goes wrong, one row a case, and what comes of it."""
