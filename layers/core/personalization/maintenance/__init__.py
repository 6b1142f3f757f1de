# SPDX-License-Identifier: Apache-2.0
"""Maintenance: the daily cleanup, the erasure of users, and the removal of a shop."""
