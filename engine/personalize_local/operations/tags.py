# SPDX-License-Identifier: Apache-2.0
"""Tags of resources."""

from personalize_local.engine import Engine, operation
from personalize_local.operations.common import MAX_TAGS, merged_tags
from personalize_local.resources.kinds import Call
from personalize_local.resources.registry import Resource
from personalize_local.wire.errors import InvalidInput, TooManyTagKeys
from personalize_local.wire.protocol import Json


@operation("TagResource")
def tag_resource(engine: Engine, _call: Call, request: Json) -> Json:
    """Add tags to a resource; a new value replaces the old one of its key."""
    resource = _taggable(engine, request)
    resource.body["tags"] = merged_tags(resource.body["tags"], request["tags"])
    engine.registry.save(resource)
    return {}


@operation("UntagResource")
def untag_resource(engine: Engine, _call: Call, request: Json) -> Json:
    resource = _taggable(engine, request)
    if len(request["tagKeys"]) > MAX_TAGS:
        raise TooManyTagKeys(f"A resource has at most {MAX_TAGS} tags to remove.")
    gone = set(request["tagKeys"])
    resource.body["tags"] = {key: value for key, value in resource.body["tags"].items() if key not in gone}
    engine.registry.save(resource)
    return {}


@operation("ListTagsForResource")
def list_tags_for_resource(engine: Engine, _call: Call, request: Json) -> Json:
    tags: dict[str, str] = _taggable(engine, request).body["tags"]
    return {"tags": [{"tagKey": key, "tagValue": value} for key, value in tags.items()]}


def _taggable(engine: Engine, request: Json) -> Resource:
    resource = engine.registry.any(request["resourceArn"])
    if not resource.kind.taggable:
        raise InvalidInput(f"{resource.arn} cannot have tags.")
    return resource
