# SPDX-License-Identifier: Apache-2.0
"""Whether a new solution version may serve, and what happens when it does."""
