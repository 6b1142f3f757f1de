# SPDX-License-Identifier: Apache-2.0
"""The command line: options and their variables, help, completion, and what is said at the start."""
