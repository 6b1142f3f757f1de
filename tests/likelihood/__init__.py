# SPDX-License-Identifier: Apache-2.0
"""The purchase likelihood without AWS: histories, features, fitting, counters, snapshots, answers and pages."""
