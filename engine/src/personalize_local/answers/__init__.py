# SPDX-License-Identifier: Apache-2.0
"""Answers from a model, live data and filters: the same for the service and for the library, without either (numpy)."""
