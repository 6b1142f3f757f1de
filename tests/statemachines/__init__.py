# SPDX-License-Identifier: Apache-2.0
"""The state machine is held against the house's laws, AWS's service models, the functions and the template."""
