# SPDX-License-Identifier: Apache-2.0
"""Who may call the browsers' API."""
