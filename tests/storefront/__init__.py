# SPDX-License-Identifier: Apache-2.0
"""The storefront: its JavaScript client, its server, its pages."""
