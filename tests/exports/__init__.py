# SPDX-License-Identifier: Apache-2.0
"""Exports as shops have them, made for the tests: the columns and habits of many programs."""
