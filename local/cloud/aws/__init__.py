# SPDX-License-Identifier: Apache-2.0
"""What the local AWS does beside ministack's own: runs in ``.local/cloud``; nothing else imports it."""
