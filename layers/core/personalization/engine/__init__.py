# SPDX-License-Identifier: Apache-2.0
"""An engine in the shop's account, in place of Amazon Personalize: its live data."""
