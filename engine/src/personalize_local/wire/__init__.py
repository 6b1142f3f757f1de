# SPDX-License-Identifier: Apache-2.0
"""The wire protocol of the three services, and their errors."""
