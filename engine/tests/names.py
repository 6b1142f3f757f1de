# SPDX-License-Identifier: Apache-2.0
"""ARNs that tests name, and the members of requests and answers that are about a noun such as `DatasetGroup`."""

ACCOUNT = "arn:aws:personalize:us-east-1:123456789012:"
RECIPE = "arn:aws:personalize:::recipe/"
ROLE = "arn:aws:iam::123456789012:role/personalize"


def member(noun: str) -> str:
    """Return the member that holds one, as in the answer of Describe: `datasetGroup`."""
    return noun[0].lower() + noun[1:]


def arn_member(noun: str) -> str:
    """Return the member that holds its ARN: `datasetGroupArn`."""
    return f"{member(noun)}Arn"
