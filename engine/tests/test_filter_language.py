# SPDX-License-Identifier: Apache-2.0
"""Filter expressions: what is read, how it prints, and how Personalize says no."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalize_local.filters import Filter, check, parse
from personalize_local.filters.expressions import Condition, CurrentItem, Expression, Operand, Placeholder
from personalize_local.wire.errors import InvalidInput

from engine.tests.filter_world import SCHEMAS


def written(parsed: Filter) -> str:
    """A filter in the canonical form of the language."""
    return " | ".join(map(_expression, parsed.expressions))


def _expression(expression: Expression) -> str:
    where = " OR ".join(" AND ".join(map(_condition, together)) for together in expression.alternatives)
    guard = f" IF {' AND '.join(map(_condition, expression.guard))}" if expression.guard else ""
    return f"{'INCLUDE' if expression.include else 'EXCLUDE'} {expression.target} WHERE {where}{guard}"


def _condition(condition: Condition) -> str:
    words = ", ".join(map(_operand, condition.operands))
    bare = isinstance(condition.operands[0], CurrentItem) or not condition.operator.endswith("IN")
    return f"{condition.dataset}.{condition.column} {condition.operator} {words if bare else f'({words})'}"


def _operand(operand: Operand) -> str:
    if isinstance(operand, CurrentItem):
        return f"CurrentItem.{operand.column}"
    if isinstance(operand, str):
        return f"'{operand}'" if '"' in operand else f'"{operand}"'
    return str(operand)


@pytest.mark.parametrize(
    "expression",
    [
        'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Purchase","View")',
        "INCLUDE ItemID WHERE Items.CATEGORY_L1 IN ($CATEGORIES)",
        "INCLUDE ItemID WHERE Items.PRICE <= $MAX",
        "INCLUDE ItemID WHERE Items.YEAR >= 1970 AND Items.YEAR < 1980",
        "EXCLUDE ItemID WHERE Items.GENRE IN ($GENRE) IF CurrentUser.AGE = $AGE",
        'INCLUDE ItemID WHERE Items.GENRE IN ($GENRE) | EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")',
        "INCLUDE UserID WHERE Users.MEMBERSHIP_STATUS IN ($M)",
        'INCLUDE ActionID WHERE Actions.TYPE IN ("offer")',
        "EXCLUDE ItemID WHERE Items.PRICE > CurrentItem.PRICE",
        "EXCLUDE ItemID WHERE Items.GENRE IN CurrentItem.GENRE",
        "exclude itemid where ITEMS.genre not in ('yes', '드라마') if currentuser.age >= ($A) and CurrentUser.age < 9",
        'INCLUDE ItemID WHERE Items.GENRE = "a" OR Items.GENRE != "b" AND Items.PRICE IN (5, -2.5e3)',
        'EXCLUDE ItemID WHERE Items.ITEM_ID IN ("a")',
    ],
)
def test_valid_expressions_print_as_themselves(expression: str) -> None:
    checked = check(parse(expression), SCHEMAS)
    assert parse(written(checked)) == checked
    assert Filter.from_json(checked.to_json()) == checked


def test_a_filter_knows_its_parameters_and_fields() -> None:
    parsed = parse(
        "EXCLUDE ItemID WHERE Items.PRICE > CurrentItem.COST AND Items.GENRE IN ($b, $B) IF CurrentUser.AGE = $c"
    )
    assert parsed.parameters == {"b", "B", "c"}
    assert parsed.fields == {("ITEMS", "PRICE"), ("ITEMS", "COST"), ("ITEMS", "GENRE"), ("USERS", "AGE")}
    assert parsed.uses_current_item


def test_columns_take_the_spelling_of_the_schema() -> None:
    assert (
        written(check(parse("include ITEMID where items.Price<5"), SCHEMAS)) == "INCLUDE ItemID WHERE Items.PRICE < 5"
    )


NOT_IN = "Could not create filter. Invalid input symbol: $G. Placeholders are not allowed with NOT_IN operator."


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "between 1 and 2500 characters"),
        ("INCLUDE ItemID WHERE Items.PRICE < 5" + " " * 2500, "between 1 and 2500 characters"),
        ("nonsense", "unexpected text at character 1: 'nonsense'"),
        ("INCLUDE ItemID WHERE Items.PRICE <", "ends too early"),
        ("INCLUDE ItemID WHERE Items.GENRE = Comedy", 'in quotes, as "Comedy"'),
        ("INCLUDE ItemID WHERE Items.GENRE = Comedy AND Items.PRICE < 5", 'in quotes, as "Comedy"'),
        ('INCLUDE ItemID WHERE Items.GENRE IN ("Drama", Comedy)', 'in quotes, as "Comedy"'),
        ("INCLUDE ItemID WHERE GENRE IN ($G)", "with its dataset, as Items.GENRE"),
        ('INCLUDE ItemID WHERE Items.GENRE IN "Comedy"', 'in brackets, as ("Comedy")'),
        ("INCLUDE ItemID WHERE (Items.PRICE < 5)", "character 22"),
        ("INCLUDE ItemID WHERE Items.GENRE IN ()", "character 38"),
        ("INCLUDE ItemID WHERE Items.PRICE < 1e999", "too large"),
        ("INCLUDE Item WHERE Items.PRICE < 5", "unknown target Item"),
        ("INCLUDE ItemID WHERE Products.PRICE < 5", "unknown dataset Products"),
        ("INCLUDE ItemID WHERE Users.AGE < 5", "ItemID cannot be chosen by Users"),
        ("INCLUDE UserID WHERE Items.PRICE < 5", "UserID cannot be chosen by Items"),
        ("INCLUDE ItemID WHERE CurrentItem.PRICE < 5", "right side"),
        ("INCLUDE ItemID WHERE CurrentUser.AGE < 5", "ItemID cannot be chosen by CurrentUser"),
        ("INCLUDE ItemID WHERE Items.PRICE < Items.YEAR", "only CurrentItem can stand on the right side"),
        ("INCLUDE ItemID WHERE Items.PRICE < 5 IF CurrentUser.AGE = CurrentItem.YEAR", "compared with CurrentItem"),
        ("INCLUDE ItemID WHERE Items.PRICE < 5 IF Items.YEAR = 5", "IF can only look at CurrentUser"),
        ("INCLUDE ItemID WHERE Items.PRICE < 5 IF CurrentUser.AGE = 5 OR CurrentUser.AGE = 6", "unexpected text"),
        ('INCLUDE ItemID WHERE Items.PRICE < 5 AND Interactions.EVENT_TYPE IN ("*")', "Items and Interactions"),
        ('INCLUDE ItemID WHERE Items.PRICE < 5 OR Interactions.EVENT_TYPE IN ("*")', "join expressions with |"),
        ("INCLUDE ItemID WHERE Items.PRICE < 5 | EXCLUDE UserID WHERE Users.AGE < 5", "the same target"),
        ("INCLUDE ItemID WHERE Items.GENRE NOT IN ($G)", NOT_IN),
        ('INCLUDE ItemID WHERE Items.GENRE IN ("*")', '"*" can only stand alone'),
        ('EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*", "View")', '"*" can only stand alone'),
        ('INCLUDE ItemID WHERE Items.PRICE < "5"', "compares numbers"),
        ("INCLUDE ItemID WHERE " + " OR ".join(f"Items.C{n} = 1" for n in range(11)), "11 different fields"),
        ("INCLUDE ItemID WHERE Items.COLOR = 5", "Items.COLOR: the ITEMS dataset has no such column"),
        (
            "INCLUDE ItemID WHERE Items.PRICE < 5 IF CurrentUser.GENDER = 5",
            "CurrentUser.GENDER: the USERS dataset has no",
        ),
        ("INCLUDE ItemID WHERE Items.PRICE < CurrentItem.COST", "CurrentItem.COST"),
        ('INCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN ("a")', "has no ACTION_INTERACTIONS dataset"),
        ("INCLUDE ItemID WHERE Items.ADULT = 1", "Items.ADULT is boolean"),
        ('INCLUDE ItemID WHERE Items.STORY = "x"', "Items.STORY is textual"),
        ("INCLUDE ItemID WHERE Items.GENRE < $G", "Items.GENRE is a string"),
        ('INCLUDE ItemID WHERE Items.PRICE IN ("x")', "Items.PRICE is a number and cannot be compared with 'x'"),
        ("INCLUDE ItemID WHERE Items.PRICE = CurrentItem.GENRE", "one is a number, the other a string"),
        ('EXCLUDE ItemID WHERE Interactions.DEVICE IN ("tv")', "Interactions.DEVICE: conditions on this column"),
    ],
)
def test_refused_expressions_say_why(expression: str, reason: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check(parse(expression), SCHEMAS)
    assert refused.value.message.startswith("Could not create filter. Invalid ")
    assert reason in refused.value.message


NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="'*"), max_size=5)
LITERALS: st.SearchStrategy[Operand] = st.one_of(
    TEXTS.map(lambda text: text.replace('"', "")),
    TEXTS.map(lambda text: text + '"'),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
)
PLACEHOLDERS = st.builds(Placeholder, st.from_regex(r"[A-Za-z0-9_]{1,5}", fullmatch=True))
NUMBERS = st.integers() | PLACEHOLDERS


def conditions(dataset: str, *, current: bool = True) -> st.SearchStrategy[Condition]:
    def make(operators: list[str], operands: st.SearchStrategy[Operand], most: int) -> st.SearchStrategy[Condition]:
        listed = st.lists(operands, min_size=1, max_size=most).map(tuple)
        return st.builds(Condition, st.just(dataset), NAMES, st.sampled_from(operators), listed)

    kinds = [
        make(["IN"], LITERALS | PLACEHOLDERS, 3),
        make(["NOT IN"], LITERALS, 3),
        make(["=", "!="], LITERALS | PLACEHOLDERS, 1),
        make(["<", "<=", ">", ">="], NUMBERS, 1),
    ]
    if current:
        kinds.append(make(["<", "=", "IN", "NOT IN"], st.builds(CurrentItem, NAMES), 1))
    return st.one_of(kinds)


def expressions(dataset: str) -> st.SearchStrategy[Expression]:
    together = st.lists(conditions(dataset), min_size=1, max_size=2).map(tuple)
    alternatives = st.lists(together, min_size=1, max_size=2).map(tuple)
    guard = st.lists(conditions("CurrentUser", current=False), max_size=1).map(tuple)
    return st.builds(Expression, st.booleans(), st.just("ItemID"), alternatives, guard)


@given(st.lists(expressions("Items") | expressions("Interactions"), min_size=1, max_size=1))
def test_what_is_printed_is_read_again(parts: list[Expression]) -> None:
    made = Filter(tuple(parts))
    assert parse(written(made)) == made


WORDS = [
    "INCLUDE",
    "ItemID",
    "WHERE",
    "Items.PRICE",
    "Users.AGE",
    "<",
    "IN",
    "NOT",
    "(",
    ")",
    "5",
    '"a"',
    "$A",
    "AND",
    "|",
]


@given(
    st.text(max_size=30)
    | st.lists(st.sampled_from([*WORDS, "IF", "OR", "*", "=", ".", '"']), max_size=12).map(" ".join)
)
def test_any_text_is_a_filter_or_invalid_input(text: str) -> None:
    try:
        made = parse(text)
    except InvalidInput as refused:
        assert refused.message.startswith("Could not create filter. Invalid ")  # noqa: PT017
    else:
        assert parse(written(made)) == made
