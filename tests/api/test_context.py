# SPDX-License-Identifier: Apache-2.0
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.api.context import of

JANUARY = datetime(2026, 1, 15, 20, 30, tzinfo=UTC).timestamp()
ALL = ("DEVICE", "COUNTRY", "HOUR", "SEASON")
COLUMNS = (*ALL, "DEVICE_TYPE", "COUNTRY_CODE", "HOUR_OF_DAY")
headers = st.dictionaries(
    st.sampled_from(
        ["CloudFront-Viewer-Country", "X-Time-Zone", "User-Agent", "Sec-CH-UA-Mobile", "CloudFront-Is-Mobile-Viewer"]
    ),
    st.one_of(st.text(max_size=40), st.sampled_from(["KR", "AU", "Asia/Seoul", "+09:00", "Mozilla/5.0 Mobi", "true"])),
)


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({}, {}),
        (
            {"CloudFront-Viewer-Country": "KR", "X-Time-Zone": "Asia/Seoul"},
            {"COUNTRY": "KR", "HOUR": "5", "SEASON": "winter"},
        ),
        (
            {"CloudFront-Viewer-Country": "AU", "CloudFront-Viewer-Time-Zone": "Australia/Sydney"},
            {"COUNTRY": "AU", "HOUR": "7", "SEASON": "summer"},
        ),
        ({"x-time-zone": "America/Argentina/Ushuaia"}, {"HOUR": "17", "SEASON": "summer"}),
        ({"x-time-zone": "-03:30"}, {"HOUR": "17", "SEASON": "winter"}),
        ({"CloudFront-Viewer-Country": "NZ"}, {"COUNTRY": "NZ", "SEASON": "summer"}),
        ({"X-Time-Zone": "Nowhere/City"}, {}),
        ({"X-Time-Zone": "../../etc/passwd"}, {}),
        ({"X-Time-Zone": "+27:00"}, {}),
        ({"CloudFront-Viewer-Country": "Korea"}, {}),
        ({"CloudFront-Is-Tablet-Viewer": "true", "CloudFront-Is-Mobile-Viewer": "true"}, {"DEVICE": "tablet"}),
        ({"CloudFront-Is-Mobile-Viewer": "true"}, {"DEVICE": "phone"}),
        ({"Sec-CH-UA-Mobile": "?1", "User-Agent": "Mozilla/5.0 (X11)"}, {"DEVICE": "phone"}),
        ({"User-Agent": "Mozilla/5.0 (iPad; CPU OS 17)"}, {"DEVICE": "tablet"}),
        ({"User-Agent": "Mozilla/5.0 (Linux; Android 14) Chrome/120 Mobile"}, {"DEVICE": "phone"}),
        ({"User-Agent": "Mozilla/5.0 (Linux; Android 14) Chrome/120"}, {"DEVICE": "tablet"}),
        ({"User-Agent": "Mozilla/5.0 (X11; Linux x86_64)"}, {"DEVICE": "desktop"}),
        ({"User-Agent": "python-requests/2.32"}, {}),
    ],
)
def test_what_the_headers_tell_and_nothing_else(sent: dict[str, str], told: dict[str, str]) -> None:
    assert of(sent, ALL, JANUARY) == told


@given(headers, st.lists(st.sampled_from([*COLUMNS, "STORE", "CHANNEL"]), unique=True), st.floats(0, 4e9))
def test_only_columns_of_the_shop_are_filled_and_only_with_words(
    sent: dict[str, str], columns: list[str], now: float
) -> None:
    told = of(sent, columns, now)
    assert set(told) <= set(columns) & set(COLUMNS)
    assert all(1 <= len(value) <= 7 for value in told.values())
    assert told == of({name.upper(): value for name, value in sent.items()}, columns, now)


@given(st.integers(1, 12))
def test_the_hemispheres_are_half_a_year_apart(month: int) -> None:
    def season(country: str, month: int) -> str:
        now = datetime(2026, month, 15, tzinfo=UTC).timestamp()
        return of({"CloudFront-Viewer-Country": country}, ["SEASON"], now)["SEASON"]

    assert season("AU", month) == season("KR", (month + 5) % 12 + 1) != season("KR", month)


@given(st.integers(-14, 14), st.floats(0, 4e9))
def test_the_hour_is_the_users(hours: int, now: float) -> None:
    sent = {"X-Time-Zone": f"{'-' if hours < 0 else '+'}{abs(hours):02}:00"}
    assert int(of(sent, ["HOUR"], now)["HOUR"]) == (int(now // 3600) + hours) % 24
