# SPDX-License-Identifier: Apache-2.0
"""Keep objects of S3 on the disk whole or not at all: what the disk does not take is answered 503, and is not there.

ministack answers such a PUT with 200, has the object until it ends, and may have replaced the version before.
"""

import contextlib
import contextvars
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ministack.services import s3

from local.cloud.aws.patching import Answer, Function, wrapping

PUTS = ("_put_object", "_copy_object", "_complete_multipart_upload")
"""Functions of ministack that write an object: its bucket and its key are the first arguments."""
DELETES = ("_delete_object", "_delete_objects")
"""Functions that write delete markers; a marker that the disk does not take lasts until the process ends."""
FAILURE = "Failed to persist S3"
"""How ministack's warnings begin where it goes on after a failed write."""
log = logging.getLogger("launcher")


@dataclass
class Change:
    """A request that changes objects: all its files are complete under other names before one takes its place."""

    files: dict[str, str] = field(default_factory=dict)
    """The other names, by the names that the files are to have."""
    events: list[Callable[[], object]] = field(default_factory=list)
    """The events to send once the change is made."""
    failure: object = None

    def make(self) -> None:
        for name, scratch in self.files.items():
            Path(scratch).replace(name)
        for tell in self.events:
            tell()

    def drop(self) -> None:
        for scratch in self.files.values():
            with contextlib.suppress(OSError):
                Path(scratch).unlink()


_change: contextvars.ContextVar[Change | None] = contextvars.ContextVar("change", default=None)


def install() -> None:
    """Make each change of objects at its end."""
    for name in PUTS:
        _whole(name, _undo)
    for name in DELETES:
        _whole(name, lambda *_request: lambda: None)

    @wrapping(s3, "_atomic_write")
    def write(stock: Function, path: str, content: bytes | str, *, text: bool = False) -> None:
        change = _change.get()
        if change is None:
            stock(path, content, text=text)
        else:
            # ministack takes no file for an object whose name ends so.
            change.files[path] = f"{path}.tmp"
            Path(change.files[path]).write_bytes(content.encode() if isinstance(content, str) else content)

    @wrapping(s3, "_fire_s3_event_async")
    def fire(stock: Function, *event: object, **more: object) -> None:
        change = _change.get()
        if change is None:
            stock(*event, **more)
        else:
            change.events.append(partial(stock, *event, **more))

    s3.logger.addFilter(_noticed)


def _noticed(record: logging.LogRecord) -> bool:
    change = _change.get()
    if change and str(record.msg).startswith(FAILURE) and isinstance(record.args, tuple):
        change.failure = record.args[-1]
    return True


def _whole(name: str, undo_of: Callable[..., Callable[[], None]]) -> None:
    @wrapping(s3, name)
    def handle(stock: Function, bucket: str, *request: object, **more: object) -> Answer:
        change, undo = Change(), undo_of(bucket, *request)
        token = _change.set(change)
        try:
            answer: Answer = stock(bucket, *request, **more)
        except BaseException:
            change.drop()
            raise
        finally:
            _change.reset(token)
        if change.failure is None:
            change.make()
            return answer
        change.drop()
        undo()
        log.error("a change of objects was refused: %s", change.failure)
        refused: Answer = s3._error("ServiceUnavailable", f"The disk does not take it: {change.failure}", 503)
        return refused


def _undo(bucket: str, key: str, *_request: object) -> Callable[[], None]:
    """Return what brings an object and its versions back in memory as they are."""
    objects = (s3._buckets.get(bucket) or {}).get("objects", {})
    current, versions = objects.get(key), s3._object_versions.get((bucket, key))
    copies = None if versions is None else [dict(version) for version in versions]

    def undo() -> None:
        for table, name, before in ((objects, key, current), (s3._object_versions, (bucket, key), copies)):
            if before is None:
                table.pop(name, None)
            else:
                table[name] = before

    return undo
