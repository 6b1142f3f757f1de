# SPDX-License-Identifier: Apache-2.0
"""The template is compiled as AWS compiles it, and the result held against the house's laws and the code."""
