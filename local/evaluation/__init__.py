# SPDX-License-Identifier: Apache-2.0
"""The quality to expect from one's own CSVs: an honest split, every recipe beside simple rules, and a report."""
