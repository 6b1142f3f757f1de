# SPDX-License-Identifier: Apache-2.0
"""Where and when a user is, and on what device, by the headers of the request: context for Personalize.

Never the server's own place and time. CloudFront names the viewer's device, country and time zone where its
distribution forwards them; a front end without it may send `X-Time-Zone` (`Asia/Seoul` or `+09:00`). What no header
says is left out.
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
"""The columns of Interactions that are filled, and with what."""
SOUTHERN = frozenset(re.findall("..", "AOARAUBIBOBRBWCLFJIDKMLSMGMUMWMZNANZPEPGPYRWSBSCSZTLTZUYVUWSZAZMZW"))
"""Countries, by ISO 3166, that lie for the most part south of the equator."""
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
    """Context by column name.

    Args:
        headers: of the request, under names in any case.
        columns: those of Interactions that the shop has beside the reserved ones.
        now: epoch seconds.
    """
    wanted = {name: COLUMNS[name] for name in columns if name in COLUMNS}
    if not wanted:
        return {}
    known = {name.lower(): str(value) for name, value in headers.items()}
    kinds, found = set(wanted.values()), {}
    country = _country(known)
    if "device" in kinds:
        found["device"] = device(known)
    if kinds & {"hour", "season"}:
        name = known.get("cloudfront-viewer-time-zone") or known.get("x-time-zone") or ""
        zone = _zone(name)
        local = datetime.fromtimestamp(now, zone or UTC)
        found["hour"] = str(local.hour) if zone else ""
        found["season"] = season(local.month, south=_south(country, name)) if zone or country else ""
    found["country"] = country
    return {column: found[kind] for column, kind in wanted.items() if found[kind]}


def device(headers: Mapping[str, str]) -> str:
    """`phone`, `tablet` or `desktop`; nothing where no browser asks.

    Args:
        headers: by names in small letters.
    """
    for name, found in (("tablet", "tablet"), ("mobile", "phone"), ("desktop", "desktop")):
        if headers.get(f"cloudfront-is-{name}-viewer") == "true":
            return found
    if headers.get("sec-ch-ua-mobile") == "?1":
        return "phone"
    agent = headers.get("user-agent", "")[:500]
    if not agent.startswith("Mozilla/"):
        return ""
    if _TABLET.search(agent):
        return "tablet"
    return "phone" if _PHONE.search(agent) else "desktop"


def season(month: int, *, south: bool) -> str:
    """The meteorological season of a month (1 to 12)."""
    return _SEASONS[(month % 12 // 3 + (2 if south else 0)) % 4]


def _south(country: str, zone: str) -> bool:
    return country in SOUTHERN if country else bool(_SOUTHERN_ZONES.match(zone))


def _country(headers: Mapping[str, str]) -> str:
    found = headers.get("cloudfront-viewer-country", "").upper()
    return found if _COUNTRY.fullmatch(found) else ""


def _zone(name: str) -> tzinfo | None:
    if offset := _OFFSET.fullmatch(name):
        sign, hours, minutes = offset.groups()
        shift = timedelta(hours=int(hours), minutes=int(minutes))
        return timezone(shift if sign == "+" else -shift) if shift <= timedelta(hours=14) else None
    if name.upper() in {"UTC", "GMT"}:
        return UTC
    if not _ZONE.fullmatch(name):
        return None
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - only a shop that learns from hours needs it

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None
