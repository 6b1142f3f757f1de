# SPDX-License-Identifier: Apache-2.0
"""Make or find a recipe's solution, and the solution version that a run trains."""
