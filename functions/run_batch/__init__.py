# SPDX-License-Identifier: Apache-2.0
"""Take the steps of batch inference jobs and user segments."""
