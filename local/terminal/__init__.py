# SPDX-License-Identifier: Apache-2.0
"""What commands show: tables and JSON on standard output, progress on standard error."""
