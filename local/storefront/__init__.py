# SPDX-License-Identifier: Apache-2.0
"""The demo shop: its catalogue, its server on this machine, and its way to a bucket on AWS."""
