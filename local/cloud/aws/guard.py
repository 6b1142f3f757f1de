# SPDX-License-Identifier: Apache-2.0
"""Refuse requests of web pages and strangers to the local AWS before ministack sees them.

Every request must call this server by a name of its own. The template decides about those for the application's API,
by its CORS, keys and authorizers. All others must come from a program or an own page, and be signed with the cloud's
access key or with one that the local AWS issued (for a function's role, or a user); a bucket's policy may let everybody
read its objects. Nobody can reset, configure or inspect ministack.
"""

import hashlib
import hmac
import os
import uuid
from typing import Any, Final
from urllib.parse import parse_qs

from ministack import app
from ministack.core import iam_actions, iam_evaluator, lambda_runtime, router
from ministack.services import lambda_svc, s3, sts
from personalize_local.server import origins

from local.cloud.aws import DOORS, Application, Message, Receive, Send

API: Final = "/_aws/execute-api/"
"""The beginning of the paths of deployed APIs."""
OPEN: Final = frozenset({("GET", "/_ministack/health"), ("GET", "/_ministack/ready")})
CALLBACKS: Final = ("/_ministack/cfn-response/", "/_ministack/cfn-signal/")
"""A custom resource answers there; the rest of the path is a token, as in the presigned address that AWS hands out."""
ENV: Final = 'eval "$(.venv/bin/python -m local env)"'

Refusal = tuple[str, str]
"""An error's code and message."""


def install() -> None:
    """Put the guard before ministack's application, and let ministack check the signatures of the cloud's key too."""
    iam_evaluator.is_root_access_key = lambda key: not key or key == os.environ["AWS_ACCESS_KEY_ID"]
    iam_evaluator._is_root_key = lambda key: not key
    lambda_runtime.execution_credentials = lambda_svc.execution_credentials = role_credentials
    app.app = guarded(app.app)


def unguessable(text: str, length: int = 64) -> str:
    """Derive from a text one that only this cloud can derive."""
    return hmac.new(os.environ["AWS_SECRET_ACCESS_KEY"].encode(), text.encode(), hashlib.sha256).hexdigest()[:length]


def role_credentials(config: dict[str, Any]) -> dict[str, str]:
    """Return a session of a function's role to sign with; ministack's own can be guessed from the function's name."""
    account, _ = lambda_runtime._account_region_from_function_config(config)
    role, name = config.get("Role", "").rsplit("/", 1)[-1], config.get("FunctionName", "function")[:64]
    identity = f"{config['FunctionArn']}:{config.get('Role', '')}"
    key = f"ASIA{unguessable(f'key:{identity}', 16).upper()}"
    session = {
        "Arn": f"arn:aws:sts::{account}:assumed-role/{role}/{name}",
        "UserId": f"{role}:{name}",
        "SecretAccessKey": unguessable(f"secret:{identity}"),
        "SessionToken": unguessable(f"token:{identity}"),
    }
    sts.register_session(key, session)
    return {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
        "AWS_SESSION_TOKEN": session["SessionToken"],
    }


def guarded(application: Application) -> Application:
    async def serve(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await application(scope, receive, send)
            return
        headers = joined(scope.get("headers", ()))
        query = parse_qs(scope.get("query_string", b"").decode("utf-8", "replace"), keep_blank_values=True)
        method, path = scope.get("method", "GET"), scope["path"]
        refused = refusal(method, path, headers, query)
        if refused is None:
            await application(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            more = True
            while more:  # a sender reads the answer when its body was read
                message = await receive()
                more = message["type"] == "http.request" and message.get("more_body", False)
            await answer(send, method, path, headers, query, refused)

    return serve


def refusal(method: str, path: str, headers: dict[str, str], query: dict[str, list[str]]) -> Refusal | None:
    """Return why a request is refused; None if ministack may have it."""
    host = headers.get("host")
    reason = origins.foreign_name(host, own_name)
    if not reason and not path.startswith(API):
        reason = origins.foreign_page(host, headers.get("origin"), headers.get("sec-fetch-site"))
    if reason:
        return "AccessDenied", reason
    if path.startswith((API, DOORS)) or (method, path) in OPEN or (method == "PUT" and path.startswith(CALLBACKS)):
        return None
    if path.startswith("/_") or path == "/health":
        return "AccessDenied", f"{path} is shut: the local AWS is not reset, configured or looked into from outside."
    return unsigned(method, path, headers, query)


def unsigned(method: str, path: str, headers: dict[str, str], query: dict[str, list[str]]) -> Refusal | None:
    """Return why the sender is unknown; None if known, or if anybody may read. ministack checks the signature."""
    key = router.extract_access_key_id(headers, query)
    if not key:
        bucket, _, name = path.removeprefix("/").partition("/")
        public = method in {"GET", "HEAD"} and "authorization" not in headers and name
        if public and s3._bucket_owner_account(bucket) and router.detect_service(method, path, headers, query) == "s3":
            return None
        return "MissingAuthenticationToken", f"The request is not signed with the key of this local cloud: {ENV}"
    credential = iam_evaluator.resolve_credential(key)
    if isinstance(credential, iam_evaluator.ResolvedCredential):
        return None
    return str(credential.code), f"{credential.message} This local cloud has an access key of its own: {ENV}"


def own_name(name: str) -> bool:
    """Tell whether the local AWS has this name; those of buckets and APIs are below `localhost`."""
    return name in origins.OWN_NAMES or name.endswith(".localhost")


def joined(raw: Any) -> dict[str, str]:  # noqa: ANN401 - ASGI's headers
    """Return headers by lower-case names; a repeated one holds both values, as in ministack."""
    merged: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        merged[key] = f"{merged[key]}, {text}" if key in merged else text
    return merged


async def answer(
    send: Send, method: str, path: str, headers: dict[str, str], query: dict[str, list[str]], refused: Refusal
) -> None:
    """Refuse as the requested service would; no page may read the answer."""
    service, (code, message) = router.detect_service(method, path, headers, query), refused
    if code in iam_actions._AUTH_FAILURES:
        code = iam_actions._auth_failure(service, code, message, headers)[0]
    status, given, body = iam_actions.access_denied_response(
        service, "", "", str(uuid.uuid4()), error_code=code, message=message, headers=headers
    )
    content = body.encode() if isinstance(body, str) else body
    fields = {**given, "Content-Length": str(len(content))}
    pairs = [(name.lower().encode("latin-1"), str(value).encode("latin-1")) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else content})
