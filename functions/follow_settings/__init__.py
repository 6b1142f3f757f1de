# SPDX-License-Identifier: Apache-2.0
"""Keep a shop's schedules as its settings say."""
