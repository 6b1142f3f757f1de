# SPDX-License-Identifier: Apache-2.0
"""Who calls: tokens, keys, sessions and the authorizer of the browsers' API."""
