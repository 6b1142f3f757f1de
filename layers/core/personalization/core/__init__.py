# SPDX-License-Identifier: Apache-2.0
"""Shared by every room: errors, names, the environment, logs, CSV, and AWS clients."""
