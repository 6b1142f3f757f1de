# SPDX-License-Identifier: Apache-2.0
"""The settings of a shop: a file for each section, and how the whole is read."""
