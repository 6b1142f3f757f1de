# SPDX-License-Identifier: Apache-2.0
"""The sequence network of the deep tier."""
