# SPDX-License-Identifier: Apache-2.0
"""A day of a shop as figures of units: from exposures and events to what a verdict adds up."""
