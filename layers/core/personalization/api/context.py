# SPDX-License-Identifier: Apache-2.0
"""Context for Personalize from a request's headers: the user's device, country, hour and season.

CloudFront sends the viewer's device, country and time zone if its distribution forwards them; a front end without it
may send `X-Time-Zone` (`Asia/Seoul` or `+09:00`). Unknown values are left out: the server's place and time are not the
user's.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo

COLUMNS: Mapping[str, str] = {
    "DEVICE": "device",
    "DEVICE_TYPE": "device",
    "COUNTRY": "country",
    "COUNTRY_CODE": "country",
    "HOUR": "hour",
    "HOUR_OF_DAY": "hour",
    "SEASON": "season",
}
"""The columns of Interactions with context, and its kind."""
SOUTHERN = frozenset(re.findall("..", "AOARAUBIBOBRBWCLFJIDKMLSMGMUMWMZNANZPEPGPYRWSBSCSZTLTZUYVUWSZAZMZW"))
"""Countries (ISO 3166) that are mostly south of the equator."""
_SOUTHERN_ZONES = re.compile(
    r"Australia/|Antarctica/|Pacific/(Auckland|Chatham|Fiji|Apia|Port_Moresby)|America/(Argentina/|Buenos_Aires|"
    r"Sao_Paulo|Santiago|Montevideo|Asuncion|La_Paz|Lima|Bahia|Recife|Fortaleza|Cuiaba)|"
    r"Africa/(Johannesburg|Maputo|Harare|Lusaka|Windhoek|Gaborone|Luanda)"
)
_OFFSET = re.compile(r"([+-])(\d{2}):?([0-5]\d)")
_ZONE = re.compile(r"[A-Za-z]{1,20}(/[A-Za-z0-9_+-]{1,30}){0,2}")
_COUNTRY = re.compile(r"[A-Z]{2}")
_TABLET = re.compile(r"iPad|Tablet|Android(?!.*Mobile)", re.IGNORECASE)
_PHONE = re.compile(r"Mobi|iPhone|iPod", re.IGNORECASE)
_SEASONS = ("winter", "spring", "summer", "autumn")


def of(headers: Mapping[str, str], columns: Sequence[str], now: float) -> dict[str, str]:
    """Return context by column; `columns` are the shop's own of Interactions, and `now` is in epoch seconds."""
    if not columns:
        return {}
    wanted = {name: COLUMNS[name] for name in columns if name in COLUMNS}
    if not wanted:
        return {}
    lowered = {name.lower(): str(value) for name, value in headers.items()}
    kinds, values = set(wanted.values()), {}
    country = lowered.get("cloudfront-viewer-country", "").upper()
    country = country if _COUNTRY.fullmatch(country) else ""
    if "device" in kinds:
        values["device"] = device(lowered)
    if kinds & {"hour", "season"}:
        name = lowered.get("cloudfront-viewer-time-zone") or lowered.get("x-time-zone") or ""
        zone = _zone(name)
        local = datetime.fromtimestamp(now, zone or UTC)
        values["hour"] = str(local.hour) if zone else ""
        south = country in SOUTHERN if country else bool(_SOUTHERN_ZONES.match(name))
        values["season"] = season(local.month, south=south) if zone or country else ""
    values["country"] = country
    return {column: values[kind] for column, kind in wanted.items() if values[kind]}


def device(headers: Mapping[str, str]) -> str:
    """Return `phone`, `tablet` or `desktop` from headers by lower-case names; empty if no browser asks."""
    for name, kind in (("tablet", "tablet"), ("mobile", "phone"), ("desktop", "desktop")):
        if headers.get(f"cloudfront-is-{name}-viewer") == "true":
            return kind
    if headers.get("sec-ch-ua-mobile") == "?1":
        return "phone"
    agent = headers.get("user-agent", "")[:500]
    if not agent.startswith("Mozilla/"):
        return ""
    if _TABLET.search(agent):
        return "tablet"
    return "phone" if _PHONE.search(agent) else "desktop"


def season(month: int, *, south: bool) -> str:
    """Return the meteorological season of a month (1 to 12)."""
    return _SEASONS[(month % 12 // 3 + (2 if south else 0)) % 4]


def _zone(name: str) -> tzinfo | None:
    if offset := _OFFSET.fullmatch(name):
        sign, hours, minutes = offset.groups()
        shift = timedelta(hours=int(hours), minutes=int(minutes))
        return timezone(shift if sign == "+" else -shift) if shift <= timedelta(hours=14) else None
    if name.upper() in {"UTC", "GMT"}:
        return UTC
    if not _ZONE.fullmatch(name):
        return None
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - only shops with such columns need it

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None
