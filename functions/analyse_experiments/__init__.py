# SPDX-License-Identifier: Apache-2.0
"""Run the daily maintenance."""
