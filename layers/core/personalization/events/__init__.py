# SPDX-License-Identifier: Apache-2.0
"""Events of users: recorded, queued, delivered, kept and exported."""
