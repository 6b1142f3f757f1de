# SPDX-License-Identifier: Apache-2.0
"""A function's steps in a child process, within limits of memory and time."""
