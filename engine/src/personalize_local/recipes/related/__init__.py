# SPDX-License-Identifier: Apache-2.0
"""Similar items, items bought together, and popular items: lists that are made at training."""
