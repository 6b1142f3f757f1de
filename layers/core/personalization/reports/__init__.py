# SPDX-License-Identifier: Apache-2.0
"""Pages of reports: templates, texts and charts."""
