# SPDX-License-Identifier: Apache-2.0
"""Authorize requests to the browsers' API."""
