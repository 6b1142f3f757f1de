# SPDX-License-Identifier: Apache-2.0
"""The operations of the three services. Importing this package fills `engine.HANDLERS` and `engine.WORKS`."""

from personalize_local.engine import HANDLERS
from personalize_local.operations import (  # noqa: F401 — each registers its handlers
    action_recommendations,
    batch_jobs,
    campaigns,
    data_deletions,
    dataset_groups,
    dataset_jobs,
    datasets,
    events,
    filters,
    metric_attributions,
    recipes,
    recommenders,
    runtime,
    solution_versions,
    solutions,
)

__all__ = ["HANDLERS"]
