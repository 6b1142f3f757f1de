# SPDX-License-Identifier: Apache-2.0
"""Recipes: what Personalize calls its algorithms. `training` makes models, `loading` brings saved ones back."""
