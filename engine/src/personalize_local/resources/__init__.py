# SPDX-License-Identifier: Apache-2.0
"""Resources of an engine: their registry and store, their lifecycle by the clock, and faults on demand."""
