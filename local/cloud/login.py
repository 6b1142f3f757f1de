# SPDX-License-Identifier: Apache-2.0
"""The laptop's stand-in for a shop's login: an OIDC issuer made of two public documents in the local S3.

Whoever can read the cloud's folder, which has its key, can log in as any user of this laptop's shops.
"""

import json

import boto3
from joserfc import jwt
from joserfc.jwk import ECKey

from local.cloud.home import Home, State, access

BUCKET = "shoppers-login"
AUDIENCE = "laptop"
ALGORITHM = "ES256"
SECONDS = 3600
"""How long a login is valid."""


def issuer(state: State) -> str:
    return f"{state.endpoint}/{BUCKET}"


def parameters(state: State) -> list[str]:
    """Return the template's parameters that make the stack accept its tokens."""
    return [f"TokenIssuer={issuer(state)}", f"TokenAudience={AUDIENCE}", f"TokenAlgorithms={ALGORITHM}"]


def publish(home: Home, state: State) -> None:
    """Publish the issuer's documents."""
    s3 = boto3.client("s3", **access(state))
    s3.create_bucket(Bucket=BUCKET)
    s3.delete_public_access_block(Bucket=BUCKET)
    statement = {
        "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"
    }  # fmt: skip
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    address = issuer(state)
    documents = {
        ".well-known/openid-configuration": {"issuer": address, "jwks_uri": f"{address}/keys"},
        "keys": {"keys": [signing_key(home).as_dict(private=False)]},
    }
    for name, document in documents.items():
        s3.put_object(Bucket=BUCKET, Key=name, Body=json.dumps(document).encode(), ContentType="application/json")


def signing_key(home: Home) -> ECKey:
    """Return the issuer's key, made when first asked for."""
    file = home.data / "login.jwk"
    if not file.exists():
        made = ECKey.generate_key("P-256", {"use": "sig", "alg": ALGORITHM}, auto_kid=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(json.dumps(made.as_dict(private=True)))
    return ECKey.import_key(json.loads(file.read_text()))


def user_token(home: Home, state: State, user: str, now: float) -> str:
    """Return the token that a user has after a login at `now` (Unix epoch seconds)."""
    key = signing_key(home)
    claims = {"iss": issuer(state), "aud": AUDIENCE, "sub": user, "iat": int(now), "exp": int(now) + SECONDS}
    return jwt.encode({"alg": ALGORITHM, "kid": key.kid}, claims, key, [ALGORITHM])
