# SPDX-License-Identifier: Apache-2.0
"""The HTTP API: routes, models, and what a front end gets when Personalize does not answer."""
