# SPDX-License-Identifier: Apache-2.0
"""Live events, and what is known of users and items, from a shop front end."""
