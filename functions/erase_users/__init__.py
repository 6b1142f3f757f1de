# SPDX-License-Identifier: Apache-2.0
"""Users who are to be deleted."""
