# SPDX-License-Identifier: Apache-2.0
"""Who subscribes to the stack's topic is told in plain words."""

import json

import boto3

from local.cloud.home import access
from tests.app.laptop import Laptop
from tests.app.waiting import until


def test_a_refused_file_is_told_with_its_reason(laptop: Laptop) -> None:
    reach = access(laptop.state)
    sqs = boto3.client("sqs", **reach)
    queue = sqs.create_queue(QueueName="told")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = laptop.state.outputs["NotifyTopicArn"]
    allowed = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    boto3.client("sns", **reach).subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    laptop.drop("told", "interactions", "USER_ID,SKU,TIMESTAMP\nu,i,1700000000\n")
    told = {"the file drops/told/interactions/data.csv was refused": "", "Run failed.": ""}

    def both_came() -> bool:
        got = sqs.receive_message(QueueUrl=queue).get("Messages", [])
        # Other shops of the same cloud tell the topic as well.
        texts = [json.loads(message["Body"])["Message"] for message in got]
        told.update({what: text for what in told for text in texts if f"Shop told: {what}" in text})
        for message in got:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return all(told.values())

    until(both_came, "both messages are there")
    refused, failed = told.values()
    assert "ITEM_ID" in refused
    assert "drops/told/" in failed
