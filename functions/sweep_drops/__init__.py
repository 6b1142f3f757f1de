# SPDX-License-Identifier: Apache-2.0
"""Drops that no run is going to handle."""
