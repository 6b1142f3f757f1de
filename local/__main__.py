# SPDX-License-Identifier: Apache-2.0
"""``python -m local``: the operator's command line on the laptop."""

import sys

from local.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
