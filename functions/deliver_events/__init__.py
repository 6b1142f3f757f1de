# SPDX-License-Identifier: Apache-2.0
"""Deliver events from the queue to Personalize."""
