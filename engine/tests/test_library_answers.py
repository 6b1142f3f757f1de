# SPDX-License-Identifier: Apache-2.0
"""Answers of the library are those of the service: the same models, the same data, the same requests."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from personalize_local.library import Changes, Counted, Live, PutRecord, Refused, Since, StreamedEvent
from personalize_local.recipes.definitions import RECIPES
from personalize_local.testing import FaultDoor

from engine.tests.both import STREAMED, Both, Json, opened
from engine.tests.harness import Aws, Engine, EngineHere
from engine.tests.shop_data import avro, columns, interactions, schema, write_csv
from engine.tests.test_actions import ACTIONS, history

DAY: Final = 86_400
BEGIN: Final = 1_600_000_000
CATEGORY: Final[Mapping[str, object]] = {"type": "string", "categorical": True}
ITEMS: Final[Mapping[str, Mapping[str, object]]] = {
    "ITEM_ID": {"type": "string"},
    "PRICE": {"type": "float"},
    "CATEGORY_L1": CATEGORY,
    "PRODUCT_DESCRIPTION": {"type": ["null", "string"], "textual": True},
    "NAME": {"type": ["null", "string"], "itemName": True},
    "CREATION_TIMESTAMP": {"type": ["null", "long"]},
}
TITLES: Final[Mapping[str, Mapping[str, object]]] = {
    "ITEM_ID": {"type": "string"},
    "GENRES": CATEGORY,
    "CREATION_TIMESTAMP": {"type": "long"},
}
TEXTS: Final = ("red cotton shirt", "blue cotton shirt", "red leather boots", "blue leather boots", "warm wool hat")
EVENTS: Final = avro("Interactions")
ANSWERING: Final = [
    spec.name for spec in RECIPES.values() if spec.recipe_type != "USER_SEGMENTATION" and not spec.retired
]
NEXT, ACTION = "aws-user-personalization", "aws-next-best-action"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with EngineHere(
        tmp_path_factory.mktemp("library"), options=["--faults", "--tier", "fast", "--quota", "campaigns=10"]
    ) as engine:
        door = FaultDoor(engine.url)
        door.advance(DAY - door.now() % DAY)  # what is drawn for a day stays while the tests run
        yield engine


def drop(engine: Engine, name: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    file = engine.s3_root / "library" / f"{name}.csv"
    write_csv(file, header, rows)
    return file


def of(domain: str | None) -> list[str]:
    return [recipe for recipe in ANSWERING if RECIPES[recipe].domain == domain]


@pytest.fixture(scope="module")
def custom(here: Engine) -> Both:
    """Items i40 to i43 nobody has seen."""
    items = [
        (f"i{n}", n + 0.5, "books" if n < 20 else "games", TEXTS[n % len(TEXTS)], f"Thing {n}", BEGIN - n * DAY)
        for n in range(44)
    ]
    users = [(f"u{n}", "young" if n % 2 else "old") for n in range(300)]
    files = {
        "INTERACTIONS": (EVENTS, drop(here, "views", columns("Interactions"), interactions())),
        "ITEMS": (schema("Items", ITEMS), drop(here, "items", list(ITEMS), items)),
        "USERS": (avro("Users"), drop(here, "users", columns("Users"), users)),
        "ACTIONS": (avro("Actions"), drop(here, "actions", columns("Actions"), ACTIONS)),
        "ACTION_INTERACTIONS": (
            avro("ActionInteractions"),
            drop(here, "deeds", columns("ActionInteractions"), history()),
        ),
    }
    return opened(Aws(here, "custom"), files, of(None))


def with_purchases(kind: str) -> list[tuple[object, ...]]:
    """Each view, and a purchase (or a watched title) some seconds later, but for the last ones."""
    views: list[Any] = list(interactions())
    later = [(user, item, kind, value, time + 5, device) for user, item, _, value, time, device in views]
    return [*views, *later[: len(later) - 10]]


@pytest.fixture(scope="module")
def boutique(here: Engine) -> Both:
    items = [
        (f"i{n}", n + 0.5, "books" if n < 20 else "games", TEXTS[0], f"Thing {n}", BEGIN - n * DAY) for n in range(40)
    ]
    files = {
        "INTERACTIONS": (EVENTS, drop(here, "sales", columns("Interactions"), with_purchases("Purchase"))),
        "ITEMS": (schema("Items", ITEMS), drop(here, "goods", list(ITEMS), items)),
    }
    return opened(Aws(here, "boutique"), files, of("ECOMMERCE"), "ECOMMERCE")


@pytest.fixture(scope="module")
def cinema(here: Engine) -> Both:
    titles = [(f"i{n}", "drama" if n < 20 else "comedy", BEGIN - n * DAY) for n in range(40)]
    files = {
        "INTERACTIONS": (EVENTS, drop(here, "watched", columns("Interactions"), with_purchases("Watch"))),
        "ITEMS": (schema("Items", TITLES), drop(here, "titles", list(TITLES), titles)),
    }
    return opened(Aws(here, "cinema"), files, of("VIDEO_ON_DEMAND"), "VIDEO_ON_DEMAND")


@pytest.fixture
def both(request: pytest.FixtureRequest, recipe: str) -> Both:
    """The dataset group of a recipe."""
    names = {None: "custom", "ECOMMERCE": "boutique", "VIDEO_ON_DEMAND": "cinema"}
    group: Both = request.getfixturevalue(names[RECIPES[recipe].domain])
    return group


def question(recipe: str, user: str, item: str = "i3") -> Json:
    """What a recipe has to be asked."""
    members = {"userId": user, "itemId": item, "inputList": ["i25", "unheard-of", "i7", "i42", "i24"]}
    needs = RECIPES[recipe].needs
    return {name: value for name, value in members.items() if name in needs or name == "userId"}


def same(both: Both, recipe: str, request: Json) -> Json:
    """Ask both, whose answers must be equal; returns the answer."""
    service, of_library = both.answers(recipe, request)
    assert of_library == service
    return service


@pytest.mark.parametrize("recipe", ANSWERING)
def test_every_recipe_answers_as_in_the_service(both: Both, recipe: str) -> None:
    of_actions = recipe == ACTION
    for user in ("u2", "u3", "nobody"):
        answer = same(both, recipe, question(recipe, user))
        assert next(iter(answer.values()))
    if of_actions:
        mail = both.filter('INCLUDE ActionID WHERE Actions.TYPE IN ("mail")')
        assert len(same(both, recipe, question(recipe, "u2") | {"filterArn": mail})["actionList"]) == 2
        return
    category = "GENRES" if both.aws.region == "cinema" else "CATEGORY_L1"
    chosen = both.filter(f"INCLUDE ItemID WHERE Items.{category} IN ($C) AND Items.CREATION_TIMESTAMP > 5")
    new = both.filter('EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")')
    values = {"C": '"books","drama"'}
    unknown = question(recipe, "u2", "of-no-shop")
    requests: list[Json] = [
        {"filterArn": chosen, "filterValues": values},
        {"filterArn": new},
        {"context": {"DEVICE": "tablet", "OTHER": "x"}},
        {"metadataColumns": {"ITEMS": [category]}},
        unknown,
        {"filterArn": new + "-of-nobody"},
        {"filterArn": chosen},
        {"metadataColumns": {"ITEMS": ["COLOUR"]}},
    ]
    if "inputList" not in RECIPES[recipe].needs:
        promotion = {"name": "spring", "percentPromotedItems": 40, "filterArn": chosen, "filterValues": values}
        requests += [{"numResults": 10, "promotions": [promotion]}, {"numResults": 501}, {"numResults": 0}]
    answers = [same(both, recipe, question(recipe, "u2") | more) for more in requests]
    assert [answer.get("code", "") for answer in answers[5:8]] == [
        "ResourceNotFoundException",
        *["InvalidInputException"] * 2,
    ]


@pytest.mark.parametrize("recipe", [recipe for recipe in ANSWERING if recipe != ACTION])
def test_what_is_streamed_and_put_changes_both_alike(both: Both, recipe: str) -> None:
    session, visitor = f"s-{recipe}", f"v-{recipe}"
    more = {} if "inputList" in RECIPES[recipe].needs else {"numResults": 500}
    both.click("i23", None, session)
    assert "i24" in str(same(both, recipe, question(recipe, session) | more))
    both.click("i24", None, session, "Purchase")
    same(both, recipe, question(recipe, session) | more)
    both.click("i25", visitor, session, "Watch")
    both.click("i41", visitor, session)
    bought = both.filter('EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Purchase")')
    assert "i24" not in str(same(both, recipe, question(recipe, visitor) | more | {"filterArn": bought}))
    same(both, recipe, question(recipe, "u2"))


@pytest.mark.parametrize("recipe", ANSWERING)
def test_what_stands_beside_an_answer_is_said_as_in_the_service(both: Both, recipe: str) -> None:
    if recipe == ACTION:
        for user in ("u2", "nobody"):
            service, of_library = both.explained(recipe, {"user": user, "items": ["call", "absent"]})
            assert of_library == service
        return
    both.click("i23", "seer", f"seer-{recipe}", "Purchase")
    questions: list[Json] = [
        {},
        {"user": "u2", "items": ["i24", "i7", "absent"]},
        {"user": "seer", "items": ["i24", "i7"], "item": "i3"},
        {"user": "nobody", "items": ["i24"]},
        {"who": "absent", "like": "YOU"},
        {"who": "i23", "items": ["i23"], "like": "u1"},
    ]
    for wanted in questions:
        service, of_library = both.explained(recipe, wanted)
        assert of_library == service
    assert of_library["who"]["latest"][0]["user"] == "seer"


@pytest.mark.parametrize("recipe", [NEXT])
def test_what_a_user_just_did_is_said_and_who_was_erased_is_not(both: Both, recipe: str) -> None:
    recommender, before = both.recommenders[recipe], both.recommenders[recipe].explain({"who": "i3", "like": "u1"})
    event, back = replace(EVENT, user_id="new"), replace(EVENT, user_id="u1", event_id="live-4", sent_at=STREAMED + 9)
    said = recommender.explain({"user": "new", "items": ["i4"]}, live=Live([event, event], {"AGE_GROUP": "old"}))
    assert (said["interactions"], said["latest"][0]["time"], said["user"]) == (1, STREAMED, {"AGE_GROUP": "old"})
    assert said["because"]["i4"][0] == "i3"

    erased = {before["who"]["latest"][0]["user"], "u1", "of-no-shop"}
    after = recommender.explain({"who": "i3", "like": "u1"}, erased=erased)
    assert after["who"]["interactions"] < before["who"]["interactions"]
    assert len(after["who"]["latest"]) == len(before["who"]["latest"]) == 20
    assert not erased & {row["user"] for row in after["who"]["latest"]}
    assert set(before["like"]["users"]) - set(after["like"]["users"]) == erased & set(before["like"]["users"])
    assert "u1" not in recommender.explain({"like": "young"}, erased=erased)["like"]["described"]
    assert not erased & set(recommender.explain({}, erased=erased)["users"])

    # What they did since is theirs again.
    since = Live(changes=Changes(Since([back], [PutRecord("u1", {"AGE_GROUP": "Ageless"})])))
    again = recommender.explain({"who": "i3", "like": "less"}, live=since, erased=erased)
    assert again["who"]["latest"][0] == {"user": "u1", "time": STREAMED + 9.0, "type": "View"}
    assert again["like"]["described"] == {"u1": {"AGE_GROUP": "Ageless"}}


@pytest.mark.parametrize("recipe", [NEXT])
@pytest.mark.parametrize("bad", [{"items": "i3"}, {"items": [3]}, {"user": None}, {"like": 1}, {"items": ["i"] * 501}])
def test_a_question_of_another_form_is_refused(both: Both, recipe: str, bad: Json) -> None:
    with pytest.raises(Refused) as refused:
        both.recommenders[recipe].explain(bad)
    assert (refused.value.code, refused.value.message.startswith("Ask for")) == ("InvalidInputException", True)


@pytest.mark.parametrize("recipe", [NEXT, "aws-similar-items", "aws-personalized-ranking-v2"])
def test_put_items_show_in_answers_and_filters(both: Both, recipe: str) -> None:
    cheap = both.filter("INCLUDE ItemID WHERE Items.PRICE < 1")
    more = {"metadataColumns": {"ITEMS": ["PRICE", "CATEGORY_L1"]}, "filterArn": cheap}
    both.put_item("i7", {"price": 0.25, "categoryL1": "games", "colour": "red"})
    [answer] = same(both, recipe, question(recipe, "u3") | more).values()
    assert {"PRICE": "0.25", "CATEGORY_L1": "games"} in [item["metadata"] for item in answer]


EVENT: Final = StreamedEvent("s", "View", STREAMED, "live-1", "somebody-else", "i3")


@pytest.mark.parametrize("recipe", [NEXT])
def test_live_events_are_the_users_without_any_change_for_others(both: Both, recipe: str) -> None:
    recommender = both.recommenders[recipe]
    seen = both.filter('INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("view")')
    old = both.filter('EXCLUDE ItemID WHERE Items.PRICE > 0 IF CurrentUser.AGE_GROUP = "old"')

    def listed(arn: str, live: Live, user: str = "new") -> list[str]:
        request = {"userId": user, "filterArn": arn, "numResults": 500}
        answer = recommender.get_recommendations(request, live=live, filters=both.filter_of)
        return [item["itemId"] for item in answer["itemList"]]

    events = [EVENT, EVENT, StreamedEvent("s", "search", STREAMED, "live-2")]
    assert listed(seen, Live(events)) == ["i3"]
    assert listed(seen, Live()) == []
    counted = Changes(Since([replace(EVENT, user_id="new"), replace(EVENT, event_id="live-3", item_id="i4")]))
    assert listed(seen, Live(events, changes=counted)) == ["i3"]
    assert len(listed(seen, Live(events), "u1")) == 20 + 1
    assert (listed(old, Live(), "u2"), len(listed(old, Live(user={"AGE_GROUP": None}), "u2"))) == ([], 44)
    assert listed(old, Live(user={"AGE_GROUP": "old"})) == []


@pytest.mark.parametrize("recipe", [NEXT])
def test_numbers_of_interactions_move_popular_items(both: Both, recipe: str) -> None:
    def first(live: Live) -> str:
        answer = both.recommenders[recipe].get_recommendations({"userId": "nobody", "numResults": 1}, live=live)
        return str(answer["itemList"][0]["itemId"])

    assert first(Live()) != "i13"
    counted = [Counted("i13", "View", None, 10_000), Counted("of-no-shop", "View", None, 10**9)]
    assert first(Live(changes=Changes(counted=counted))) == "i13"
    returned = [Counted("i13", "Return", None, 10_000)]
    assert first(Live(changes=Changes(counted=returned))) == first(Live())


@pytest.mark.parametrize("recipe", [NEXT, "aws-personalized-ranking-v2"])
def test_numbers_of_what_all_did_give_a_stranger_the_lists_of_the_service(both: Both, recipe: str) -> None:
    for number in range(300):
        both.click(f"i{number % 7 + 30}", f"w{number}", f"s{number}", ("View", "Purchase", "Return")[number % 3])
    both.click("i12", None, "of-nobody")
    events = both.since.events
    of_users = {event.session_id for event in events if event.user_id}
    numbers = Counter(
        (event.item_id, event.event_type, event.event_value)
        for event in events
        if event.item_id and event.session_id in of_users
    )
    counted = [Counted(*what, number) for what, number in numbers.items()]
    live = Live(changes=Changes(Since(items=both.since.items), counted))
    request = question(recipe, "stranger")
    service, of_library = both.answers(recipe, request, live)
    assert of_library == service
    if recipe == NEXT:
        assert of_library != both.answers(recipe, request, Live(changes=Changes(Since(items=both.since.items))))[1]


@pytest.mark.parametrize("recipe", ["aws-user-personalization-v2"])
def test_threads_share_a_recommender(both: Both, recipe: str) -> None:
    recommender = both.recommenders[recipe]
    cheap = both.filter("EXCLUDE ItemID WHERE Items.PRICE > 30")
    changes = [Changes(Since(items=[PutRecord(f"i{n}", {"PRICE": 99.0})])) for n in range(4)]

    def answer(number: int) -> Json:
        request = {"userId": f"u{number % 9}", "filterArn": cheap}
        live = Live([EVENT] if number % 2 else [], changes=changes[number % 4])
        filters = both.filter_of
        return recommender.get_recommendations(request, live=live, filters=filters, now=0.0, answer_id="a")

    expected = [answer(number) for number in range(24)]
    answers: list[list[Json]] = [[] for _ in range(4)]
    threads = [threading.Thread(target=lambda rows=rows: rows.extend(map(answer, range(24)))) for rows in answers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [expected] * 4
