# SPDX-License-Identifier: Apache-2.0
"""What an experiment shows: effects, looks, bands, checks, the verdict, and the plan before the start."""
