# SPDX-License-Identifier: Apache-2.0
"""Popularity: of all items, by the values of users and contexts, and by growth."""
