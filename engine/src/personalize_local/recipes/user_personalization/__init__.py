# SPDX-License-Identifier: Apache-2.0
"""User-Personalization and Personalized-Ranking."""
