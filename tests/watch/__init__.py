# SPDX-License-Identifier: Apache-2.0
"""The watch page: its server and what a browser shows of it."""
