# SPDX-License-Identifier: Apache-2.0
"""Clients, errors, pagination and S3 objects: the only place that makes AWS clients."""
