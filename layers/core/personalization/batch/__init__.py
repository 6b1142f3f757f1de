# SPDX-License-Identifier: Apache-2.0
"""Answers in bulk: batch inference jobs and user segments of a shop's settings, from the same pipeline."""
