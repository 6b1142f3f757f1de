# SPDX-License-Identifier: Apache-2.0
"""A shop: its settings, files, datasets, trainings and releases."""
