# SPDX-License-Identifier: Apache-2.0
"""Test on held-out time: train on the past, and ask for the days after it."""
