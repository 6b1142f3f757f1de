# SPDX-License-Identifier: Apache-2.0
"""Personal data in columns: by their values, and by what they are called."""

import re
from collections.abc import Sequence

from table_intake.columns import usual_names
from table_intake.wording import Text

_MOST, _VARIED = 0.7, 0.5
"""The share of values that must look personal; and of different values among names of people."""
_FEWEST, _LOOKED_AT = 5, 1_000
"""The fewest cells by which names of Koreans are known, and about how many cells of a column count."""
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PHONE = re.compile(
    r"\+\d[\d\s().-]{6,16}|01[016-9][-. ]?\d{3,4}[-. ]?\d{4}|0\d{1,4}[-/. ]\d{2,}[\d\s-]*"
    r"|\(\d{2,4}\)\s?\d{3}[\s-]?\d{3,4}"
    r"|\d{3}[-.]\d{3}[-.]\d{4}"
)
_ADDRESS = re.compile(
    r".*(?:[가-힣]+(?:시|도|구|군)\s.*[가-힣]+\d*(?:로|길|동|읍|면|리)\s*\d*.*|str(?:aße|asse|\.)\s*\d+.*"
    r"|\b\d+\s+(?:\w+\s)*(?:street|st|road|rd|avenue|ave|lane|rue)\b.*|[都道府県市区町村].*\d+[-丁目番].*)",
    re.IGNORECASE,
)
_KOREAN_NAME = re.compile(
    "[김이박최정강조윤장임한오서신권황안송류유전홍고문양손배백허남심노하곽성차주우구민진지엄채원천방공현함변염여추도소석선설마길연위표명기반왕금옥육인맹제모탁국어]"
    "[가-힣]{2}"
)
_NAMED = re.compile(
    r"(contact|recipient|receiver|cardholder|owner|delivery|shipto|billto)(first|last|full)?name|.*(대표자|담당자|수취인|수령인|받는사람"
    r"|받는분|구매자|주문자|예금주|보내는분)(이름|성함|명)?|ansprechpartner|.*(受取人|注文者|購入者)(氏名|名)"
)
"""More names of columns with names of people."""
_FORMS = {
    Text("personal.emails", "e-mail addresses"): _EMAIL,
    Text("personal.phones", "phone numbers"): _PHONE,
    Text("personal.addresses", "addresses"): _ADDRESS,
    Text("personal.names", "names of people"): _KOREAN_NAME,
}


def kind_of(values: Sequence[str]) -> str:
    """Return which personal data the values of a column are, in words; "" where they are none."""
    some = values[:: len(values) // _LOOKED_AT + 1]
    cells = [value.strip() for value in some if value.strip()]
    for what, form in _FORMS.items():
        if not cells or sum(form.fullmatch(cell) is not None for cell in cells) < _MOST * len(cells):
            continue
        # Words of three syllables are names only where nearly each row has another one.
        if form is _KOREAN_NAME and (len(cells) < _FEWEST or len(set(cells)) < _VARIED * len(cells)):
            continue
        return what
    return ""


def is_personal(heading: str, values: Sequence[str]) -> bool:
    """Tell whether a column says who somebody is, by its name or its values."""
    name = usual_names.plain(heading)
    named = any(form.fullmatch(name) is not None for form in (usual_names.PERSONAL, _NAMED))
    # The numbers of orders may have the form of those of phones.
    is_order = name != "name" and name in usual_names.ranks(usual_names.ORDER)
    return named or (not is_order and bool(kind_of(values)))
