# SPDX-License-Identifier: Apache-2.0
"""Judge, probe and report a release; find what an override or a rollback promotes."""
