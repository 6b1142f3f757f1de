# SPDX-License-Identifier: Apache-2.0
"""Join the files of an export, and drop what is joined."""

from typing import Any

from personalization.core import observability
from personalization.core.aws import clients
from personalization.core.bounded.parent import MEMORY_SHARE
from personalization.core.environment import Environment
from personalization.ingest.exports import Room, join_export
from personalization.shop.plan import PrepareRequest

LOG = observability.logger()


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """Join an export as its shop's settings say, and drop the joined files: each has a run of its own, or the next one.

    Args:
        event: `{bucket, key, versionId?, run}`, of the export's marker.

    Returns:
        `{outcome: "joined", joined: [key], reason}`: the drops that were made, users and items first, and the report.

    Raises:
        Rejected: the settings do not say how, or the files cannot be joined; nothing was dropped.
    """
    request, environment = PrepareRequest.read(event), Environment()
    room = Room(int(MEMORY_SHARE * environment.megabytes) << 20, environment.join_megabytes << 20)
    export = join_export(clients.s3(), environment.bucket, request, room)
    LOG.info("Export joined", run=request.run, key=request.key, drops=export.joined)
    return export.as_json()
