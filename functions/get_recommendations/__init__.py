# SPDX-License-Identifier: Apache-2.0
"""Recommendations, similar items, popular items and rankings for a shop front end."""
