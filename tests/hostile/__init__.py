# SPDX-License-Identifier: Apache-2.0
"""Requests that want harm: what they are, where they are sent, and what must never come of them."""
