# SPDX-License-Identifier: Apache-2.0
"""Test your own code against Amazon Personalize without AWS: a context manager, a decorator, a pytest fixture.

with personalize() as aws:
    aws.personalize.create_dataset_group(name="shop")
    boto3.client("personalize").list_dataset_groups()  # your code's own clients find the engine too
"""

from personalize_local.testing.decorator import mock_personalize
from personalize_local.testing.doors import Clock, FaultDoor
from personalize_local.testing.throwaway import Personalize, personalize

__all__ = ["Clock", "FaultDoor", "Personalize", "mock_personalize", "personalize"]
