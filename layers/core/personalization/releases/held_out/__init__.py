# SPDX-License-Identifier: Apache-2.0
"""A test on held-out time: train on the past, ask about the days after it."""
