# SPDX-License-Identifier: Apache-2.0
"""Line breaks within values, in all forms of Unicode: Personalize reads one record per line."""

import re

KINDS = "\n\v\f\r\x85\u2028\u2029"
PATTERN = f"\r\n|[{KINDS}]"
"""A line break, for the regular expressions of Python and of polars."""
BREAK = re.compile(PATTERN)
