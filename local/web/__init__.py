# SPDX-License-Identifier: Apache-2.0
"""Servers of pages on this machine."""
