# SPDX-License-Identifier: Apache-2.0
"""Delete users on request."""
