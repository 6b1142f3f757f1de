# SPDX-License-Identifier: Apache-2.0
"""What a shop's experiments could see, from its own files, before any is started."""
