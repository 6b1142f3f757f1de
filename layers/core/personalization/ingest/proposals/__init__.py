# SPDX-License-Identifier: Apache-2.0
"""Rows of a dropped CSV file: cut, checked, counted, and written as Personalize reads them."""
