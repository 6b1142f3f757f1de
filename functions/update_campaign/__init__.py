# SPDX-License-Identifier: Apache-2.0
"""Promote a release: update campaigns, and record what serves."""
