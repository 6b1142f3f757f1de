# SPDX-License-Identifier: Apache-2.0
"""The documentation is held against the code."""
