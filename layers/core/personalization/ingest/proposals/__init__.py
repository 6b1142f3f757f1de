# SPDX-License-Identifier: Apache-2.0
"""Propose the settings that a file needs, from the names and the values of its columns."""
