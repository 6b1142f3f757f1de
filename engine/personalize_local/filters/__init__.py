# SPDX-License-Identifier: Apache-2.0
"""Filter expressions: syntax, grammar, values, and what they let through."""
