# SPDX-License-Identifier: Apache-2.0
"""Semantic-Similarity: items whose texts mean something alike."""
