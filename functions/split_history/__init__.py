# SPDX-License-Identifier: Apache-2.0
"""Take the steps of a test on held-out time that read rows."""
