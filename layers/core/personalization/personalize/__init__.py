# SPDX-License-Identifier: Apache-2.0
"""What is asked of Amazon Personalize: resources made sure of, removed, and requested."""
