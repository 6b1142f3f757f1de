# SPDX-License-Identifier: Apache-2.0
"""Copy accepted events from the stream of their table to the bucket."""
