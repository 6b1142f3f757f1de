# SPDX-License-Identifier: Apache-2.0
"""Recognise and check what was dropped, write the import copy, and plan the run."""
