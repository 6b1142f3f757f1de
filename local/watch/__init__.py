# SPDX-License-Identifier: Apache-2.0
"""The watch page: what a local cloud's shops, runs and reports are doing, for its operator's browser."""
