# SPDX-License-Identifier: Apache-2.0
"""Data of dataset groups: schemas, imports, snapshots for training, live data for serving, and objects in S3."""
