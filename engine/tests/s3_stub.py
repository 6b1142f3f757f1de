# SPDX-License-Identifier: Apache-2.0
"""As much of S3 as an import reads: objects, and lists of a folder's first level. A bucket named `closed` denies."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit


@contextmanager
def s3(objects: Mapping[str, bytes]) -> Iterator[str]:
    """Serve objects by `bucket/key`; yields the endpoint's address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            path = unquote(url.path).strip("/") if url.query else unquote(url.path)[1:]
            if path.startswith("closed"):
                self._answer(403, b"<Error><Code>AccessDenied</Code></Error>")
            elif "list-type" in url.query:
                self._answer(200, _listing(objects, f"{path}/", parse_qs(url.query)["prefix"][0]))
            elif path in objects:
                self._answer(200, objects[path])
            else:
                self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _listing(objects: Mapping[str, bytes], bucket: str, prefix: str) -> bytes:
    keys = [path.removeprefix(bucket) for path in objects if path.startswith(bucket + prefix)]
    sizes = {key: len(objects[bucket + key]) for key in keys if "/" not in key.removeprefix(prefix)}
    rows = "".join(f"<Contents><Key>{key}</Key><Size>{size}</Size></Contents>" for key, size in sizes.items())
    return f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>".encode()
