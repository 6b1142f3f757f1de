# SPDX-License-Identifier: Apache-2.0
"""The requests, good and bad, in the order in which they are sent."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from personalization.api.routes import ROUTES

SENT_AT = 1_795_594_812
"""When events were sent by the recordings; what is played again says the present, as a browser may be a week late."""
EVENT = {"eventType": "View", "itemId": "garden-01", "eventId": "e-1", "sentAt": SENT_AT}
LONG = "x" * 300
LISTINGS = ("/users/u1/recommendations", "/items/garden-01/similar", "/popular")
PLACEMENT, PAGE, RANKING = "/users/u1/placements/home", "/users/u1/placements", "/users/u1/ranking"
LIKELIHOOD, EVENTS, USER, ITEM = "/users/u1/purchase-likelihood", "/events", "/users/u1", "/items/kitchen-29"
GOOD: Mapping[tuple[str, str], object] = {
    **{("GET", path): None for path in (*LISTINGS, PLACEMENT)},
    ("POST", PAGE): {"placements": ["home", "cart"], "itemId": "garden-03"},
    ("POST", RANKING): {"itemIds": ["kitchen-01", "garden-02"]},
    ("POST", LIKELIHOOD): {"itemIds": ["kitchen-01", "garden-02"]},
    ("POST", EVENTS): {"userId": "u1", "sessionId": "s", "events": [EVENT]},
    ("PUT", USER): {"properties": {"AGE": "18-24"}},
    ("PUT", ITEM): {"properties": {"NAME": "Kitchen 29", "PRICE": 6, "CATEGORY_L1": "kitchen"}},
}
"""Each route below `/shops/{shop}` with a body that it takes, but for sessions and the deletion of a user.

No list shows the item that is changed: it would have its new columns some seconds later.
"""
MALFORMED = (b"", b"null", b'""', b"[]", b"5", b"{", b"{}", b'{"a":', b"\xff\xfe", b"[" * 5000, b'{"x": NaN}')


PATHS = """
GET .
GET /
GET /users/u1/wishes
GET /users/u1
GET /users
GET /items/i
GET /popular/
GET //popular
GET /events
DELETE /events
PATCH /users/u1
PUT /users/u1/ranking
POST /popular
POST /users/u1/recommendations
DELETE /items/garden-01
POST /sessions
TRACE /popular
FOO /popular
GET health
POST health
GET openapi.json
GET nothing
GET shops
GET shops/nobody/popular
GET shops/nobody/users/u/recommendations
GET shops/UPPER/popular
GET shops/a%20b/popular
GET shops//popular
GET SHOPS/x/popular
"""
OPEN_TO_ALL = """
GET health
GET openapi.json
OPTIONS /popular
OPTIONS openapi.json
GET nothing
DELETE /users/u1
"""
OF_USERS = """
GET /users/u2/recommendations
GET /users/%75%31/recommendations?limit=2
GET /users/u1%2F/recommendations
GET /users/*/recommendations
GET /popular?userId=u2
GET /popular?userId=u1&limit=2
GET /items/garden-01/similar?userId=u2
GET shops/nobody/popular
"""
OF_SESSIONS = """
GET /users/<userId>/recommendations?limit=2
GET /users/u1/recommendations
GET /popular?limit=2
GET /popular?userId=<userId>&limit=2
GET shops/nobody/popular
GET /users/<userId>/placements/home
"""
OF_ANOTHER_TYPE: Sequence[object] = (None, 5, "text", [], {}, [[]], True)
LISTS: Sequence[object] = (
    *([""], [1], [LONG], ["a", "a"], ["home", "home"], ["i\n1"], ["unknown"]),
    [str(number) for number in range(501)],
)


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        target: the path and the query, as sent; below `/shops/{shop}` where it begins with `/`.
            `<next>`, `<etag>`, `<token>`, `<sessionId>` and `<userId>` are those of the last answer that had one.
        body: bytes are sent as they are, all else as JSON.
        caller: whose proof is sent: `server`, `nobody` or `stranger`, to the servers' API; with `browser `
            before it, to the browsers' API: also `user` (u1, after the login) and `session` (with the last `<token>`).
        fault: what happens to the next call of Personalize meanwhile.
    """

    method: str
    target: str
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    caller: str = "server"
    fault: str = ""

    @property
    def name(self) -> str:
        body = (
            self.body if isinstance(self.body, bytes) else b"" if self.body is None else json.dumps(self.body).encode()
        )
        words = (self.caller, self.method, short(self.target), short(body.decode(errors="backslashreplace")))
        return " ".join(
            filter(None, (*words, *(f"{name}: {value}" for name, value in self.headers.items()), self.fault))
        )


def listed(lines: str, caller: str = "server") -> Iterator[Request]:
    """Return a request for each line of a method and a target."""
    for line in lines.strip().splitlines():
        method, target = line.split(" ")
        yield Request(method, target, caller=caller)


def short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:150]}… {len(text)} characters"


def requests() -> Iterator[Request]:
    """Return all requests in their order; deletions are the last.

    Those with a query parameter that their route lacks are left out: the release before ignored it.
    """
    parts = (lists, pages, bodies, events, puts, paths, keys, browsers, faults, deletions)
    return (request for part in parts for request in part() if not strange(request))


def strange(request: Request) -> bool:
    """Tell whether a request has a query parameter that its route does not know."""
    path, _, query = request.target.partition("?")
    names = {name.partition(".")[0] for name in parse_qs(query, keep_blank_values=True)}
    route = next((route for route in ROUTES if route.method == request.method and is_of(route.path, path)), None)
    return route is not None and bool(route.query) and not names <= set(route.query)


def is_of(template: str, path: str) -> bool:
    pattern = "".join("[^/]*" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{\w+\})", template))
    return re.fullmatch(pattern, f"/shops/replayed{path}") is not None


def lists() -> Iterator[Request]:
    """Recommendations, similar and popular items, and a placement: their parameters."""
    for path in (*LISTINGS, PLACEMENT):
        yield Request("GET", path)
        for limit in ("1", "5", "50", "51", "100", "500"):
            yield Request("GET", f"{path}?limit={limit}")
        for limit in ("0", "-1", "501", "10000", "abc", "", "1e3", "%205", "9" * 5000):
            yield Request("GET", f"{path}?limit={limit}")
        for query in (
            "limit=3&limit=4",
            "itemId=garden-03&limit=3",
            "itemId=",
            f"itemId={LONG}",
            "userId=u2&limit=3",
            "userId=",
            "filter=not-purchased&limit=3",
            "filter=nope",
            "filter=",
            "filter=in",
            "filter=in&filterValues.CATEGORY=kitchen&limit=3",
            "filter=in&filterValues.CATEGORY=kitchen,garden&limit=3",
            "filter=in&filterValues.CATEGORY=",
            "filter=in&filterValues.OTHER=kitchen",
            "filter=cheap&filterValues.MOST=much",
            "filter=cheap&filterValues.MOST=9&limit=3",
            "filterValues.MOST=3",
            "context.DEVICE=phone&limit=3",
            "context.NOTHING=x&limit=3",
            "context.=x",
            "excludeItemIds=garden-03&excludeItemIds=kitchen-03&limit=3",
            "&".join(f"excludeItemIds=i{number}" for number in range(101)),
            "excludeItemIds=",
            "next=forged",
            "next=",
            "typo=1",
            "item_id=garden-01",
            "Limit=3",
            "limit=3&promotions=x",
        ):
            yield Request("GET", f"{path}?{query}")


def pages() -> Iterator[Request]:
    """A list that goes on, and what a client keeps."""
    for path in (*LISTINGS, PLACEMENT):
        yield Request("GET", f"{path}?limit=4")
        yield Request("GET", f"{path}?limit=5&next=<next>")
        yield Request("GET", f"{path}?limit=5&filter=not-purchased&next=<next>")
    yield Request("GET", "/users/u2/recommendations?next=<next>")
    for target in ("/items/garden-01/similar", "/popular", "/popular?userId=u1", "openapi.json"):
        yield Request("GET", target)
        for tag in ("<etag>", 'W/"other"', "*", 'W/"other", <etag>', "nonsense"):
            yield Request("GET", target, headers={"If-None-Match": tag})
    yield Request("GET", "/users/u1/recommendations?limit=3", headers={"If-None-Match": "*"})


def bodies() -> Iterator[Request]:
    """Every route that takes a body, with bodies that it takes and others."""
    for (method, path), good in GOOD.items():
        if good is None:
            yield Request(method, path, {"limit": 3})
            continue
        assert isinstance(good, dict)
        yield Request(method, path, good)
        yield from (Request(method, path, body) for body in MALFORMED)
        yield Request(method, path, {**good, "typo": 1})
        for member in good:
            yield Request(method, path, {name: value for name, value in good.items() if name != member})
            for value in OF_ANOTHER_TYPE:
                yield Request(method, path, {**good, member: value})
        yield Request(method, path, {**good, "padding": "x" * 300_000})
        for kind in ("text/plain", "application/xml", "application/json; charset=utf-8"):
            yield Request(method, path, good, {"Content-Type": kind})
        yield Request(method, path, b'{"a": 1, "a": 2}')
    for path, member in ((RANKING, "itemIds"), (LIKELIHOOD, "itemIds"), (PAGE, "placements")):
        for value in LISTS:
            yield Request("POST", path, {member: value})
    yield Request("POST", RANKING, {"itemIds": [f"kitchen-{number:02d}" for number in range(30)]})
    yield Request("POST", f"{RANKING}?filter=not-purchased", GOOD["POST", RANKING])
    yield Request("POST", f"{RANKING}?filter=nope", GOOD["POST", RANKING])
    yield Request("POST", f"{RANKING}?context.DEVICE=phone", GOOD["POST", RANKING])
    yield Request("POST", f"{RANKING}?limit=3", GOOD["POST", RANKING])
    yield Request("POST", f"{LIKELIHOOD}?context.AGE=65%2B", GOOD["POST", LIKELIHOOD])
    yield Request("POST", f"{LIKELIHOOD}?context.NOTHING=x", GOOD["POST", LIKELIHOOD])
    yield Request("POST", f"{LIKELIHOOD}?limit=3", GOOD["POST", LIKELIHOOD])
    yield Request("POST", "/users/never-seen/purchase-likelihood", GOOD["POST", LIKELIHOOD])
    yield Request("POST", PAGE, {"placements": ["home", "kitchen", "cheap", "cart"], "itemId": "garden-03"})
    yield Request("POST", f"{PAGE}?filterValues.MOST=20", {"placements": ["cheap"], "excludeItemIds": ["garden-01"]})
    yield Request("POST", f"{PAGE}?filterValues.MOST=much", {"placements": ["cheap"]})
    yield Request("POST", PAGE, {"placements": ["cart"]})
    yield Request("POST", PAGE, {"placements": ["nowhere"]})
    yield Request("POST", PAGE, {"placements": [f"p{number}" for number in range(11)]})
    yield Request("POST", PAGE, {"placements": ["home"], "excludeItemIds": [f"i{number}" for number in range(101)]})


def events() -> Iterator[Request]:
    """Events: each member wrong in turn."""
    wrong: Mapping[str, tuple[object, ...]] = {
        "eventType": ("", None, 5, LONG),
        "itemId": ("", 5, LONG, "i\n1"),
        "eventId": ("", 5, LONG, "e\x85"),
        "sentAt": (
            "soon",
            True,
            -1,
            1_795_594_813_000,
            "5138-11-16T09:46:39Z",
            "2026-11-25T08:30:00Z",
            1_795_594_812.5,
        ),
        "eventValue": ("3.49", False, 3.49, "much"),
        "impression": ([], ["i"] * 26, ["i1", "i\u2028"], "i1"),
        "recommendationId": ("r" * 41, 5, "RID-1"),
        "properties": ({"USER_ID": "u"}, {"store": "x" * 1024}, {"store": "367"}, {"store": None}, [], "x"),
        "typo": (1,),
        "item_id": ("i",),
        "metricAttribution": ({"eventAttributionSource": "mail"}, {"eventAttributionSource": ""}, 5),
    }
    for member, values in wrong.items():
        for value in values:
            yield Request("POST", EVENTS, {"sessionId": "s", "events": [{**EVENT, member: value}]})
    for number in (0, 11, 100, 101):
        yield Request("POST", EVENTS, {"sessionId": "s", "userId": "many", "events": [{"eventType": "View"}] * number})
    for session in ("", LONG, "s\n"):
        yield Request("POST", EVENTS, {"sessionId": session, "events": [EVENT]})
    yield Request("POST", EVENTS, {"sessionId": "s", "userId": "u\r1", "events": [EVENT]})
    yield Request("POST", EVENTS, {"sessionId": "s", "userId": LONG, "events": [EVENT]})
    yield Request("POST", EVENTS, {"sessionId": "visitor", "events": [EVENT]})
    yield Request("POST", EVENTS, {"sessionId": "s", "events": [EVENT, {"itemId": "i"}, {"eventType": 1}]})


def puts() -> Iterator[Request]:
    """Users and items: their properties."""
    for path in (USER, ITEM):
        for properties in (
            {"age": "18-24"},
            {"price": 7, "categoryL1": "garden", "name": "New"},
            {"NAME": "a\nb", "PRICE": 7, "CATEGORY_L1": "garden"},
            {"PRICE": "dear", "CATEGORY_L1": "garden"},
            {"AGE": 5},
            {"AGE": None},
            {"NOTHING": "x"},
            {"AGE": "x" * 3000},
            {"AGE": {"a": 1}},
            {"AGE": ["18-24", "65+"]},
            {},
        ):
            yield Request("PUT", path, {"properties": properties})


def paths() -> Iterator[Request]:
    """Paths, methods and ids that are odd or are none."""
    yield from listed(PATHS)
    for (method, path), good in GOOD.items():
        yield Request(method, f"shops/nobody{path}", good)
        yield Request(
            "OPTIONS", path, headers={"Origin": "http://127.0.0.1:8080", "Access-Control-Request-Method": method}
        )
        yield Request("HEAD", path)
        yield Request(method, path, good, {"Origin": "https://elsewhere.example"})
    for user in (
        "never-seen",
        "J%C3%B6rg%20M%C3%BCller",
        "a%2Fb",
        "a+b",
        "a%2Bb",
        "%2531",
        "%FF",
        "a%0Ab",
        "%20",
        LONG,
        "*",
        "%7Bx%7D",
        "..",
        "%00",
    ):
        yield Request("GET", f"/users/{user}/recommendations?limit=2")
        yield Request("GET", f"/items/{user}/similar?limit=2")
        yield Request("PUT", f"/users/{user}", {"properties": {"AGE": "65+"}})
    for name in ("nowhere", "UPPER", "a%20b", "x" * 21):
        yield Request("GET", f"/users/u1/placements/{name}")
    yield Request("GET", "/users/u1/placements/cart")
    yield Request("GET", "/users/u1/placements/cart?itemId=garden-03")
    yield Request("GET", "/users/u1/placements/kitchen")
    yield Request("GET", "/users/u1/placements/kitchen?filterValues.CATEGORY=garden")
    yield Request("GET", "/users/u1/placements/cheap?filterValues.MOST=much")
    yield Request("GET", "/users/u1/placements/cheap?filterValues.MOST=9")
    for sent in (
        {"X-Time-Zone": "Asia/Seoul"},
        {"User-Agent": "Mobile"},
        {"Accept": "text/html"},
        {"Accept-Encoding": "gzip"},
    ):
        yield Request("GET", "/popular?limit=2", headers=sent)


def keys() -> Iterator[Request]:
    """Servers without a key, and with another."""
    for caller in ("nobody", "stranger"):
        for (method, path), good in GOOD.items():
            yield Request(method, path, good, caller=caller)
        yield from listed(OPEN_TO_ALL, caller)
    yield Request("GET", "/popular", headers={"Authorization": "Bearer <token>"}, caller="nobody")


def browsers() -> Iterator[Request]:
    """Everything at the browsers' API: for nobody, with bad tokens, for a visitor and for a user."""
    for body in (
        *MALFORMED,
        {"typo": 1},
        {"sessionToken": "x"},
        {"userToken": "x"},
        {"sessionToken": None},
        {"userToken": 5},
    ):
        yield Request("POST", "/sessions", body, caller="browser nobody")
    yield Request("POST", "shops/nobody/sessions", {}, caller="browser nobody")
    yield Request("POST", "shops/UPPER/sessions", {}, caller="browser nobody")
    yield Request("GET", "/sessions", caller="browser nobody")
    yield Request("OPTIONS", "/sessions", caller="browser nobody")
    yield Request("GET", "health", caller="browser nobody")
    yield Request("GET", "openapi.json", caller="browser nobody")
    for caller in ("browser nobody", "browser stranger", "browser user"):
        for (method, path), good in GOOD.items():
            yield Request(method, path, good, caller=caller)
            yield Request("OPTIONS", path, caller=caller)
        yield Request("DELETE", USER, caller=caller)
    for header in ("", "Bearer", "Bearer x", "Basic dTpw", "Bearer e30.e30.e30", "bearer <token>"):
        yield Request("GET", "/popular", headers={"Authorization": header}, caller="browser nobody")
    yield from listed(OF_USERS, "browser user")
    for ids in ({"sessionId": "any", "userId": "u2"}, {"sessionId": "any"}):
        yield Request("POST", EVENTS, {**ids, "events": [EVENT]}, caller="browser user")
    yield Request("POST", "/sessions", {}, caller="browser nobody")
    yield from listed(OF_SESSIONS, "browser session")
    yield Request("POST", "/users/<userId>/ranking", GOOD["POST", RANKING], caller="browser session")
    yield Request("POST", "/users/<userId>/placements", GOOD["POST", PAGE], caller="browser session")
    for ids in ({"sessionId": "<sessionId>"}, {"sessionId": "s-other"}, {"sessionId": "<sessionId>", "userId": "u1"}):
        yield Request("POST", EVENTS, {**ids, "events": [EVENT]}, caller="browser session")
    yield Request("POST", "/sessions", {"sessionToken": "<token>"}, caller="browser nobody")
    yield Request("POST", "/sessions", {"sessionToken": "<token>x"}, caller="browser nobody")
    yield Request("GET", "/popular?limit=2", headers={"Origin": "http://127.0.0.1:8080"}, caller="browser session")
    yield Request("GET", "/popular?limit=2", headers={"Origin": "https://elsewhere.example"}, caller="browser session")


def faults() -> Iterator[Request]:
    """What is answered when Personalize does not: once, so that no breaker opens."""
    for fault in (
        "throttle",
        "internalFailure",
        "serviceUnavailable",
        "resourceNotFound",
        "invalidInput",
        "dropConnection",
    ):
        for (method, path), good in GOOD.items():
            if path in {*LISTINGS, PLACEMENT, RANKING}:
                yield Request(method, path, good, fault=fault)
                yield Request(method, path, good)
    yield Request("GET", "/users/u7/recommendations?limit=3&filter=not-purchased", fault="throttle")


def deletions() -> Iterator[Request]:
    for user in ("u9", "never-seen", LONG, "a%2Fb", "%0A"):
        yield Request("DELETE", f"/users/{user}")
    yield Request("DELETE", "/users/u9")
    yield Request("DELETE", "shops/nobody/users/u9")
    yield Request("DELETE", "/users/u9", {"a": 1})
    yield Request("PUT", "/users/u9", {"properties": {"AGE": "65+"}})
    yield Request("GET", "/users/u9/recommendations?limit=2")
    yield Request("POST", EVENTS, {"sessionId": "s", "userId": "u9", "events": [EVENT]})
    yield Request("POST", "/users/u9/purchase-likelihood", GOOD["POST", LIKELIHOOD])
