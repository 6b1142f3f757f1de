# SPDX-License-Identifier: Apache-2.0
"""`python -m local.personalize`: the embedded engine alone, from this checkout."""

from personalize_local.__main__ import main

if __name__ == "__main__":
    raise SystemExit(main(program="python -m local.personalize"))
