# SPDX-License-Identifier: Apache-2.0
"""Amazon Personalize: ensure resources, remove them, and request recommendations."""
