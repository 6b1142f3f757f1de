# SPDX-License-Identifier: Apache-2.0
"""What the pages of reports share: charts, tables and their looks."""
