# SPDX-License-Identifier: Apache-2.0
"""What the shelves earned: a day's figures of each placement, their report and the mail of the week."""
