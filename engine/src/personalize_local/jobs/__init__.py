# SPDX-License-Identifier: Apache-2.0
"""Jobs of the worker processes: imports, trainings, exports, deletions and batch inference."""
