# SPDX-License-Identifier: Apache-2.0
"""The domain of retail-personalization: pure decisions, and `aws/`, the only place that talks to AWS."""
