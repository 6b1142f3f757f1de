# SPDX-License-Identifier: Apache-2.0
"""The only code that talks to AWS. It acts on decisions made elsewhere and speaks our errors."""
