# SPDX-License-Identifier: Apache-2.0
"""The engine as a backend: what Amazon Personalize's three APIs do, done in the shop's own account.

A call about a resource whose ARN has the service `engine` comes here in place of Amazon Personalize. Each module has a
table of the operations that it answers, by their names in AWS's API; a function connects the tables that it needs.
"""
