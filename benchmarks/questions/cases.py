# SPDX-License-Identifier: Apache-2.0
"""The questions that a list of items answers: what trains, what a query shows, and what a list must find."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from personalize_local.data.records import Interaction
from personalize_local.recipes.base import Query

from benchmarks.questions.shop import SEED, Shop, number, without
from local.evaluation import pasts
from local.evaluation.comparison import lists_to_rank
from local.evaluation.pasts import Past, Question

REMOVED = 4
"""Of four known users one is removed where newcomers are removed users; of four items one where items are new."""


@dataclass(frozen=True, slots=True)
class Case:
    """One training, and what is asked of it."""

    name: str
    """Of the past: cases with equal names share their models."""
    past: Past
    questions: Sequence[Question]
    among: Literal["all", "new", "own"] | frozenset[str] = "all"
    """Items that a list may have: all, those that are new to the user, those that are not, or these."""
    lists: Sequence[Sequence[str]] | None = None
    """Items to put in order, for each question; None = the whole catalogue."""


Builder = Callable[[Shop, int], list[Case]]
"""(set, how many tests lie between this one and the newest) → cases."""


def _plain(shop: Shop, back: int) -> Case:
    split = shop.split(back)
    past = shop.past(f"cut {back}", split)
    later = shop.after(split) if shop.spec.live else {}
    strangers = (user for user in split.tests.keys() - past.active if len(later.get(user, ())) > 1)
    users = shop.drawn(strangers) if shop.spec.strangers else shop.known_users(past)
    questions = [past.question(user, split.tests[user]) for user in users]
    if shop.spec.live:
        questions = [_live(question, later[question.user]) for question in questions]
    return Case(f"cut {back}", past, questions)


def _live(question: Question, later: Sequence[tuple[str, int]]) -> Question:
    """Ask for one of the user's items after the cut, drawn at random, and tell those before it.

    A user without a past is asked for no first item.
    """
    first = 0 if question.query.history else 1
    at = first + number("drawn", question.user) % (len(later) - first)
    told = [Interaction(item, float(time)) for item, time in later[:at]]
    history = [*question.query.history, *told]
    query = replace(question.query, history=history, item_id=history[-1].item_id, now=history[-1].timestamp)
    seen = question.seen | {row.item_id for row in told}
    return replace(question, query=query, relevant=frozenset({later[at][0]}), seen=seen)


def following(shop: Shop, back: int) -> list[Case]:
    """The first interaction, or basket, after the cut."""
    return [replace(_plain(shop, back), among="new" if shop.spec.new else "all")]


def rest(shop: Shop, back: int) -> list[Case]:
    """One item of the first basket after the cut, new to the user; the query has the others as events."""
    case, questions = _plain(shop, back), []
    for question in case.questions:
        basket = sorted(question.relevant)
        new = [item for item in basket if item not in question.seen]
        if len(basket) < 2 or not new:
            continue
        hidden = new[number("drawn", question.user) % len(new)]
        shown = [item for item in basket if item != hidden]
        now = question.query.now + 1
        history = [*question.query.history, *(Interaction(item, now) for item in shown)]
        query = replace(question.query, history=history, item_id=shown[-1], now=now)
        questions.append(replace(question, query=query, relevant=frozenset({hidden}), seen=question.seen | {*shown}))
    return [replace(case, questions=questions, among="new")]


def again(shop: Shop, back: int) -> list[Case]:
    """Which of the items that they took before users take next."""
    case = _plain(shop, back)
    questions = [
        replace(question, relevant=question.relevant & question.seen)
        for question in case.questions
        if question.relevant & question.seen
    ]
    return [replace(case, questions=questions, among="own")]


def something_new(shop: Shop, back: int) -> list[Case]:
    """What is new to the user in the first basket after the cut."""
    case = _plain(shop, back)
    return [replace(case, questions=pasts.discoveries(case.questions), among="new")]


def similar_next(shop: Shop, back: int) -> list[Case]:
    """What is taken next after the last item, with nothing else told."""
    case = _plain(shop, back)
    questions = [_of_item(question, question.query.item_id or "", question.relevant) for question in case.questions]
    return [replace(case, questions=[question for question in questions if question.relevant])]


def also_bought(shop: Shop, back: int) -> list[Case]:
    """The rest of a basket after the cut, by one of its items; of a basket of one, that item by an older one."""
    case, questions = _plain(shop, back), []
    trained = set(case.past.snapshot.items.tolist())
    for question in case.questions:
        basket = sorted(question.relevant & trained)
        others = basket if len(basket) > 1 else sorted(question.seen - question.relevant)
        if others:
            item = others[number("drawn", question.user) % len(others)]
            questions.append(_of_item(question, item, question.relevant))
    return [replace(case, questions=[question for question in questions if question.relevant])]


def ranking(shop: Shop, back: int) -> list[Case]:
    """What users take next, among other items drawn at random: a hundred to put in order."""
    case = _plain(shop, back)
    seen = np.bincount(case.past.rows.item, minlength=case.past.rows.items)
    sold: list[str] = case.past.snapshot.items[np.flatnonzero(seen)].tolist()
    items = set(sold)
    questions = [pasts.only(question, items) for question in case.questions]
    if shop.spec.new:
        questions = pasts.discoveries(questions)
    questions = [question for question in questions if question.relevant]
    lists = lists_to_rank(questions, sold, SEED)
    if shop.spec.new:
        lists = [
            [item for item in listed if item not in question.seen]
            for question, listed in zip(questions, lists, strict=True)
        ]
    return [replace(case, questions=questions, lists=lists)]


def new_user(shop: Shop, back: int) -> list[Case]:
    """The first basket of users of whom nothing is known."""
    return [
        replace(
            case, questions=[replace(question, query=replace(question.query, user={})) for question in case.questions]
        )
        for case in new_user_known(shop, back)
    ]


def new_user_known(shop: Shop, back: int) -> list[Case]:
    """The first basket of users without a past; their columns of Users are known."""
    if shop.spec.newcomers == "arriving" and not shop.positions:
        count, days = shop.spec.windows
        windows = [(shop.first + back) * count + at for at in range(count)]
        cases = []
        for at in windows:
            split = shop.window(at, days)
            if not split.training.height:
                continue  # the set begins later
            past = shop.past(f"window {at}", split)
            users = shop.drawn(split.tests.keys() - past.active)
            cases.append(Case(f"window {at}", past, [past.question(user, split.tests[user]) for user in users]))
        return cases
    split = shop.split(back)
    gone = [user for user in split.tests if number("removed", user) % REMOVED == 0]
    past = shop.past(f"cut {back} without users", without(split, "USER_ID", gone))
    questions = [pasts.as_stranger(past.question(user, split.tests[user])) for user in shop.drawn(gone)]
    return [Case(f"cut {back} without users", past, questions)]


def new_item(shop: Shop, back: int) -> list[Case]:
    """Items that nobody has taken yet, among those alone: a quarter of all, whose rows train nothing."""
    split = shop.split(back)
    items = sorted(split.training["ITEM_ID"].unique())
    cold = frozenset(random.Random(SEED).sample(items, len(items) // REMOVED))
    past = shop.past(f"cut {back} without items", without(split, "ITEM_ID", cold))
    cold &= frozenset(past.snapshot.items.tolist())
    questions = [pasts.only(past.question(user, split.tests[user]), cold) for user in shop.known_users(past)]
    return [
        Case(f"cut {back} without items", past, [question for question in questions if question.relevant], among=cold)
    ]


def _of_item(question: Question, item: str, relevant: frozenset[str]) -> Question:
    told = Query(item_id=item, history=(Interaction(item, question.query.now),), now=question.query.now)
    return replace(question, query=told, relevant=relevant - {item}, seen=frozenset({item}))


BUILDERS: dict[str, Builder] = {
    "next-item": following,
    "next-basket": following,
    "next-purchase": following,
    "rest-of-basket": rest,
    "buy-again": again,
    "something-new": something_new,
    "similar-next": similar_next,
    "also-bought": also_bought,
    "ranking": ranking,
    "new-user": new_user,
    "new-user-known": new_user_known,
    "new-item": new_item,
}
