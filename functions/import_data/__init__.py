# SPDX-License-Identifier: Apache-2.0
"""Make or find what an import needs, and start it."""
