# SPDX-License-Identifier: Apache-2.0
"""Which tokens are taken: one good one, and everything that is almost one."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OctKey, RSAKey
from personalization.auth import tokens
from personalization.auth.tokens import Policy, Refused, Session
from personalization.core.errors import Broken

NOW = 1_795_000_000
POLICY = Policy("https://login.example/realm", "shop-front", ("RS256",))
RSA = RSAKey.generate_key(2048, {"kid": "a"})
OTHER = RSAKey.generate_key(2048, {"kid": "a"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
KEYS = tokens.public_keys({"keys": [RSA.as_dict(private=False), EC.as_dict(private=False)]})
CLAIMS = {"iss": POLICY.issuer, "aud": POLICY.audience, "sub": "u1", "exp": NOW + 60, "iat": NOW, "nbf": NOW}
SECRETS = {"v2": b"2" * 64, "v1": b"1" * 64}
SESSION = Session(id="s-" + "A" * 22, shop="demo", user="", until=0, begun=NOW, expires=NOW + 60)


def signed(claims: Mapping[str, Any], header: Mapping[str, Any] | None = None, key: Key = RSA) -> str:
    head = {"alg": "RS256", "kid": "a", **(header or {})}
    return jwt.encode(head, dict(claims), key, [head["alg"]])


def encoded(part: object) -> str:
    content = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def login(token: str, policy: Policy = POLICY, now: int = NOW) -> tuple[str, int]:
    return tokens.login(token, policy, KEYS.get, now)


def refused(check: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        check()
    return caught.value.reason


def test_a_good_token_names_its_user_and_its_end() -> None:
    assert login(signed(CLAIMS)) == ("u1", NOW + 60)
    assert login(signed(CLAIMS | {"aud": ["other", "shop-front"]})) == ("u1", NOW + 60)


def test_the_user_is_the_claim_that_the_policy_names() -> None:
    policy = Policy(POLICY.issuer, POLICY.audience, ("RS256",), "custom:shopper")
    assert login(signed(CLAIMS | {"custom:shopper": "c-9"}), policy)[0] == "c-9"
    assert refused(lambda: login(signed(CLAIMS), policy)) == "claims"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"exp": NOW - 31}, "expired"),
        ({"exp": None}, "claims"),
        ({"exp": "soon"}, "claims"),
        ({"exp": True}, "claims"),
        ({"nbf": NOW + 31}, "claims"),
        ({"iat": NOW + 31}, "claims"),
        ({"iss": "https://login.example/realm/"}, "claims"),
        ({"iss": "https://evil.example"}, "claims"),
        ({"iss": None}, "claims"),
        ({"iss": [POLICY.issuer]}, "claims"),
        ({"aud": "another-client"}, "claims"),
        ({"aud": ["another-client"]}, "claims"),
        ({"aud": {"shop-front": 1}}, "claims"),
        ({"aud": None}, "claims"),
        ({"aud": []}, "claims"),
        ({"sub": None}, "claims"),
        ({"sub": ""}, "claims"),
        ({"sub": "null"}, "claims"),
        ({"sub": 7}, "claims"),
        ({"sub": "u\n1"}, "claims"),
        ({"sub": "u" * 257}, "claims"),
    ],
)
def test_a_token_with_other_claims_is_refused(change: dict[str, object], reason: str) -> None:
    claims = {name: value for name, value in (CLAIMS | change).items() if value is not None}
    assert refused(lambda: login(signed(claims))) == reason


def unsigned(algorithm: str) -> str:
    return f"{encoded({'alg': algorithm, 'kid': 'a'})}.{encoded(CLAIMS)}."


def confused(secret: bytes) -> str:
    """Signed with HMAC, the issuer's public key taken for the secret."""
    start = f"{encoded({'alg': 'HS256', 'kid': 'a'})}.{encoded(CLAIMS)}"
    return f"{start}.{encoded(hmac.new(secret, start.encode(), hashlib.sha256).digest())}"


def signed_by_hand(header: Mapping[str, object]) -> str:
    """What joserfc would not sign, with a good signature."""
    start = f"{encoded(header)}.{encoded(CLAIMS)}"
    private = RSA.private_key
    assert private
    signature = private.sign(start.encode(), PKCS1v15(), SHA256())
    return f"{start}.{encoded(signature)}"


def flipped(token: str) -> str:
    start, _, signature = token.rpartition(".")
    content = bytearray(base64.urlsafe_b64decode(signature + "=="))
    content[7] ^= 1
    return f"{start}.{encoded(bytes(content))}"


HOSTILE_JWK = {"jwk": OTHER.as_dict(private=False), "jku": "https://evil.example/keys", "x5u": "https://evil.example"}
FORGED = {
    "no algorithm": unsigned("none"),
    "no algorithm, in capitals": unsigned("NONE"),
    "no algorithm, in some": unsigned("nOnE"),
    "the public key as a secret": confused(RSA.as_pem(private=False)),
    "the public key as a secret, as JSON": confused(json.dumps(RSA.as_dict(private=False)).encode()),
    "an empty secret": confused(b""),
    "another key of the same name": signed(CLAIMS, key=OTHER),
    "a key that it brings along": signed(CLAIMS, HOSTILE_JWK, OTHER),
    "a key of a name that nobody knows": signed(CLAIMS, {"kid": "b"}, OTHER),
    "a path for a name": signed(CLAIMS, {"kid": "../../../../dev/null"}, OTHER),
    "SQL for a name": signed(CLAIMS, {"kid": "a' UNION SELECT 'a"}, OTHER),
    "another algorithm with the same key": signed(CLAIMS, {"alg": "RS512"}),
    "an algorithm that is not pinned, with its key": signed(CLAIMS, {"alg": "ES256", "kid": "ec"}, EC),
    "a flipped bit": flipped(signed(CLAIMS)),
    "no signature": signed(CLAIMS).rpartition(".")[0] + ".",
    "other claims under the signature": ".".join(
        [signed(CLAIMS).split(".")[0], encoded(CLAIMS | {"sub": "u2"}), signed(CLAIMS).split(".")[2]]
    ),
    "a demand that nobody understands": signed_by_hand({"alg": "RS256", "kid": "a", "crit": ["exp2"], "exp2": 1}),
}


@pytest.mark.parametrize("forged", FORGED)
def test_a_forged_token_is_refused(forged: str) -> None:
    assert refused(lambda: login(FORGED[forged])) in {"algorithm", "key", "signature", "malformed"}


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "...", "a.b.c", "a.b", "e30.e30.", "é.é.é", "." * 9000, f"{encoded([])}.{encoded({})}.AA",
     f"{encoded(b'{' * 90)}..", f"{encoded(b'[' * 5000)}.e30.AA", f"{encoded({'alg': ['RS256']})}.e30.AA",
     f"{encoded({'alg': 'RS256', 'kid': {}})}.e30.AA", f"{encoded({'alg': 'RS256', 'kid': None})}.e30.AA"],
)  # fmt: skip
def test_what_is_no_token_is_refused(text: str) -> None:
    assert refused(lambda: login(text)) in {"malformed", "algorithm", "key"}
    assert refused(lambda: tokens.session(text, SECRETS.get, NOW))


@given(st.text(max_size=200) | st.binary(max_size=200).map(encoded))
def test_no_text_is_a_token(text: str) -> None:
    for token in (text, f"{text}.{text}.{text}", f"{encoded({'alg': 'RS256', 'kid': 'a'})}.{text}.{text}"):
        refused(partial(login, token))


def test_an_algorithm_that_both_sides_must_keep_secret_is_no_policy() -> None:
    for algorithms in ((), ("HS256",), ("RS256", "none"), ("RS256", "HS512")):
        with pytest.raises(Broken):
            Policy("https://i.example", "a", algorithms).check()
    with pytest.raises(Broken):
        Policy("https://i.example", "", ("RS256",)).check()
    good = Policy("https://i.example", "a", ("ES256", "RS256"))
    assert good.check() is good


def test_of_a_key_set_only_public_keys_that_sign_are_kept() -> None:
    weak = RSAKey.generate_key(2048, {"kid": "weak"}).as_dict(private=False) | {"n": "AQAB" * 40}
    listed: list[object] = [
        OctKey.generate_key(256, {"kid": "secret"}).as_dict(private=True),
        RSAKey.generate_key(2048, {"kid": "enc", "use": "enc"}).as_dict(private=False),
        RSA.as_dict(private=True), {"kty": "RSA"}, {"kty": ["RSA"]}, {"kty": "EC", "crv": "P-1", "x": "", "y": ""},
        weak, "text", None, {"kty": "RSA", "kid": 7},
    ]  # fmt: skip
    keys = tokens.public_keys({"keys": listed})
    assert {kid: key.is_private for kid, key in keys.items()} == {"a": False}
    others: list[object] = [None, {}, [], "a"]
    for nothing in others:
        assert tokens.public_keys({"keys": nothing}) == {}


def test_a_session_is_what_its_token_says_under_either_of_two_secrets() -> None:
    joined = Session(id="s-" + "B" * 22, shop="demo", user="u1", until=NOW + 30, begun=NOW - 5, expires=NOW + 30)
    for told in (SESSION, joined):
        for kid, secret in SECRETS.items():
            assert tokens.session(tokens.signed(told, kid, secret, NOW), SECRETS.get, NOW) == told


def test_a_session_ends_and_its_secret_does() -> None:
    token = tokens.signed(SESSION, "v2", SECRETS["v2"], NOW)
    assert refused(lambda: tokens.session(token, SECRETS.get, NOW + 60)) == "expired"
    assert refused(lambda: tokens.session(token, {"v1": SECRETS["v1"]}.get, NOW)) == "key"
    assert refused(lambda: tokens.session(token, {"v2": SECRETS["v1"]}.get, NOW)) == "signature"


def test_neither_kind_of_token_is_taken_for_the_other() -> None:
    session = tokens.signed(SESSION, "v2", SECRETS["v2"], NOW)
    assert refused(lambda: login(session)) == "algorithm"
    assert refused(lambda: tokens.session(signed(CLAIMS), SECRETS.get, NOW)) == "malformed"
    assert refused(lambda: tokens.session(signed(CLAIMS, {"typ": "session+jwt"}), SECRETS.get, NOW)) == "algorithm"


@pytest.mark.parametrize(
    "change",
    [{"sid": None}, {"sid": "s-1"}, {"sid": 7}, {"iss": "other"}, {"begun": "x"}, {"exp": None}, {"aud": None}],
)
def test_a_session_of_another_shape_is_refused(change: dict[str, object]) -> None:
    told = {"iss": "retail-personalization", "aud": "demo", "sid": SESSION.id, "begun": NOW, "exp": NOW + 60} | change
    claims = {name: value for name, value in told.items() if value is not None}
    header = {"alg": "HS256", "typ": "session+jwt", "kid": "v2"}
    token = jwt.encode(header, claims, OctKey.import_key(SECRETS["v2"]), ["HS256"], default_type=None)
    assert refused(lambda: tokens.session(token, SECRETS.get, NOW)) == "claims"
