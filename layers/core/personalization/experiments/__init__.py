# SPDX-License-Identifier: Apache-2.0
"""Experiments on placements: what they could show, who sees which variant, what that brings, and when it is proven."""
