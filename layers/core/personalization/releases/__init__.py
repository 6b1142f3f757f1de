# SPDX-License-Identifier: Apache-2.0
"""Releases: judge new solution versions, probe their campaigns, and promote them."""
