# SPDX-License-Identifier: Apache-2.0
"""The local cloud: its environments, processes, deployment and clients."""
