# SPDX-License-Identifier: Apache-2.0
"""List and remove a shop's resources."""
