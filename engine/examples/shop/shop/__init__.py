# SPDX-License-Identifier: Apache-2.0
"""A shop that recommends."""
