# SPDX-License-Identifier: Apache-2.0
"""The embedded engine: Amazon Personalize's three APIs on one port, with recipes that really train."""

import os

# The matrices of one answer are small: threads for them cost more than they save, and starve everything else.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
