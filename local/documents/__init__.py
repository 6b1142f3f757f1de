# SPDX-License-Identifier: Apache-2.0
"""The documentation as a site: built from the Markdown files, served by the local cloud."""
