# SPDX-License-Identifier: Apache-2.0
"""Have batch jobs answered, and train the recipes of segments."""
