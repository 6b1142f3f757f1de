# SPDX-License-Identifier: Apache-2.0
"""Popularity: of all items, and by the values of users and contexts."""
