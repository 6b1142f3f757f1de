# SPDX-License-Identifier: Apache-2.0
"""Check a drop of any size: ranges of its rows by many functions at a time, with the result of one pass.

`cutting` cuts a drop, and tells which ranges do not begin where they should. `ranges` and `row_groups` read one.
`division`, `steps` and `merged` are what functions do, and `store` is where they leave their results.
"""
