# SPDX-License-Identifier: Apache-2.0
"""Start runs for drops that no run is going to handle."""
