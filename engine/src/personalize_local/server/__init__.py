# SPDX-License-Identifier: Apache-2.0
"""The HTTP server: an ASGI application, its controls for tests, and the callers' rights."""
