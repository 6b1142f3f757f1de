# SPDX-License-Identifier: Apache-2.0
"""Have campaigns serve what a run trained, and record it for serving."""
