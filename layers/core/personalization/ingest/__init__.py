# SPDX-License-Identifier: Apache-2.0
"""From a drop to what Personalize imports: read, check, copy, report, plan."""
