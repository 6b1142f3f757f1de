# SPDX-License-Identifier: Apache-2.0
"""The laptop: a local AWS, the embedded engine and the operator's command line. Nothing that is deployed imports it."""
