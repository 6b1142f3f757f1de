# SPDX-License-Identifier: Apache-2.0
"""The daily round, the erasure of users, and the removal of a shop."""
