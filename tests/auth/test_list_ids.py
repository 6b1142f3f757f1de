# SPDX-License-Identifier: Apache-2.0
import base64
from dataclasses import replace
from datetime import UTC, datetime
from string import ascii_lowercase, digits

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from personalization.auth import list_columns, list_ids
from personalization.auth.list_ids import Key, Shown, check, digest, key_of, read, sign

NOW = 1_790_000_000.0
DAY = 86_400
KEY = key_of("0f8a6c1e-0000-4000-8000-000000000001", b"1" * 64)
BEFORE = key_of("0f8a6c1e-0000-4000-8000-000000000002", b"2" * 64)
HOME = Shown(name="placement/home", at=NOW, release=1_789_000_000)
ALPHABET = ascii_lowercase + digits
NAMES = st.builds(str.__add__, st.sampled_from(ALPHABET), st.text(ALPHABET + "-", max_size=19))
SHOPS = st.builds(str.__add__, st.sampled_from(ALPHABET), st.text(ALPHABET + "-", max_size=29))
IDS = st.text(min_size=1, max_size=256)
LISTS = st.builds(
    Shown,
    name=st.builds(str.__add__, st.sampled_from(["", "placement/"]), NAMES),
    at=st.integers(0, 2**40 - 1).map(lambda hundredths: hundredths / 100),
    release=st.integers(0, 2**32 - 1),
    variant=st.integers(0, 2**24 - 1),
    user=st.binary(min_size=4, max_size=4),
)
KEYS = st.builds(Key, st.integers(0, 4095), st.binary(min_size=32, max_size=64))


@given(KEYS, SHOPS, LISTS)
def test_a_list_is_what_its_id_says(key: Key, shop: str, shown: Shown) -> None:
    token = sign(key, shop, shown)
    assert len(token) <= 56
    assert read([BEFORE, key], shop, token, shown.at) == replace(shown, at=int(shown.at * 100) / 100)


@given(SHOPS, LISTS, st.data())
def test_an_id_with_another_letter_is_refused(shop: str, shown: Shown, data: st.DataObject) -> None:
    token = sign(KEY, shop, shown)
    position = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from(ALPHABET + ascii_lowercase.upper() + "-_=+/ é\0"))
    assume(letter != token[position])
    changed = token[:position] + letter + token[position + 1 :]
    assert isinstance(read([KEY, BEFORE], shop, changed, shown.at), str)


@given(SHOPS, LISTS, st.data())
def test_an_id_that_was_cut_or_made_longer_is_refused(shop: str, shown: Shown, data: st.DataObject) -> None:
    token = sign(KEY, shop, shown)
    shorter = token[: data.draw(st.integers(0, len(token) - 1))]
    longer = token + data.draw(st.text(ALPHABET, min_size=1, max_size=8))
    assert all(isinstance(read([KEY], shop, changed, shown.at), str) for changed in (shorter, longer))


@given(st.text(max_size=120))
def test_any_text_is_refused(text: str) -> None:
    assert check([KEY], "demo", text, ("u1",), NOW) in {"malformed", "forged", "anotherShop", "tooOld"}


@given(st.binary(min_size=29, max_size=42))
def test_no_bytes_are_signed_by_chance(data: bytes) -> None:
    token = base64.urlsafe_b64encode(bytes([0x10 | KEY.id >> 8, KEY.id & 0xFF]) + data[2:]).decode().rstrip("=")
    assert isinstance(read([KEY], "demo", token, NOW), str)


@given(SHOPS, SHOPS, LISTS)
def test_an_id_is_of_one_shop(shop: str, other: str, shown: Shown) -> None:
    assume(shop != other)
    assert read([KEY], other, sign(KEY, shop, shown), shown.at) in {"anotherShop", "forged"}


@given(IDS, IDS)
def test_an_event_of_a_list_is_of_its_user(user: str, other: str) -> None:
    token = sign(KEY, "demo", replace(HOME, user=digest(KEY, "demo", user)))
    assert check([KEY], "demo", token, (user, "s1"), NOW) is None
    # A stranger's list has their session for a user; they may have logged in since.
    assert check([KEY], "demo", token, ("u-who-logged-in", user), NOW) is None
    assume(user.encode(errors="replace") != other.encode(errors="replace"))
    assert check([KEY], "demo", token, (None, other), NOW) == "anotherUser"


def test_everybody_may_follow_a_list_that_is_the_same_for_all() -> None:
    assert check([KEY], "demo", sign(KEY, "demo", HOME), (None, "s1"), NOW) is None


@pytest.mark.parametrize(
    ("days", "keys", "expected"),
    [
        (0, [KEY], None),
        (31 - 1, [BEFORE, KEY], None),
        (31 + 1, [BEFORE, KEY], "tooOld"),
        (90, [BEFORE], "tooOld"),
        (1, [BEFORE], "forged"),
        (0, [], "unchecked"),
    ],
)
def test_a_list_can_be_followed_for_a_month(days: int, keys: list[Key], expected: str | None) -> None:
    assert check(keys, "demo", sign(KEY, "demo", HOME), ("u1",), NOW + days * DAY) == expected


def test_two_keys_of_one_id_are_both_tried() -> None:
    twin = Key(KEY.id, b"3" * 64)
    assert check([twin, KEY], "demo", sign(KEY, "demo", HOME), (None, "s1"), NOW) is None


def test_an_id_does_not_show_its_user() -> None:
    token = list_ids.of(KEY, "demo", "shopper@example.com", HOME)
    assert b"shopper" not in base64.urlsafe_b64decode(token + "==")
    assert digest(KEY, "demo", "u1") != digest(BEFORE, "demo", "u1") != digest(BEFORE, "other", "u1")


@pytest.mark.parametrize("name", ["", "placement/", "placement/" + "x" * 21, "HOME", "placement/a b"])
def test_a_list_without_a_name_of_ours_has_no_id(name: str) -> None:
    with pytest.raises(ValueError, match="neither a placement nor a route"):
        sign(KEY, "demo", replace(HOME, name=name))


@given(st.lists(LISTS, max_size=4), st.lists(st.text(max_size=60), max_size=3))
def test_many_ids_say_what_each_of_them_says(lists: list[Shown], others: list[str]) -> None:
    tokens = {sign(KEY, "demo", shown): shown for shown in lists}
    others = [text for text in others if list_ids.told(text) is None]

    rows = list_columns.facts(pl.Series([*tokens, *others], dtype=pl.String)).rows()

    told = {
        token: (
            shown.name.removeprefix("placement/") if shown.name.startswith("placement/") else f"/{shown.name}",
            shown.variant,
            f"{datetime.fromtimestamp(shown.release, UTC):%Y-%m-%dT%H:%M:%SZ}",
            int(shown.at * 100) // 100,
        )
        for token, shown in tokens.items()
    }
    assert {token: rest for token, *rest in rows if token in told} == {token: [*rest] for token, rest in told.items()}
    numbers = list_columns.variants(pl.Series([*others, *tokens], dtype=pl.String)).to_list()
    assert numbers[len(others) :] == [shown.variant for shown in tokens.values()]
