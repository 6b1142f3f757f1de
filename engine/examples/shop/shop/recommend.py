# SPDX-License-Identifier: Apache-2.0
"""What a shop's pages ask for: recommendations, and popular items while Personalize doesn't answer."""

import time
from collections.abc import Sequence

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

PATIENCE = Config(read_timeout=1, retries={"total_max_attempts": 1})
"""A page doesn't wait longer than this."""


def recommended(campaign_arn: str, user_id: str, bestsellers: Sequence[str], count: int = 5) -> list[str]:
    """Return the ids of items for a user's page."""
    runtime = boto3.client("personalize-runtime", config=PATIENCE)
    try:
        answer = runtime.get_recommendations(campaignArn=campaign_arn, userId=user_id, numResults=count)
    except (ClientError, BotoCoreError):
        return list(bestsellers[:count])
    return [item["itemId"] for item in answer["itemList"]]


def record_view(tracking_id: str, user_id: str, session_id: str, item_id: str) -> None:
    """Tell Personalize that a user looks at an item."""
    boto3.client("personalize-events").put_events(
        trackingId=tracking_id,
        userId=user_id,
        sessionId=session_id,
        eventList=[{"eventType": "View", "itemId": item_id, "sentAt": int(time.time())}],
    )
