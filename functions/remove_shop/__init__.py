# SPDX-License-Identifier: Apache-2.0
"""List and remove what a shop has."""
