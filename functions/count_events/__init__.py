# SPDX-License-Identifier: Apache-2.0
"""Count what all users do, from the stream of the live table."""
