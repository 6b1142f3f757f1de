# SPDX-License-Identifier: Apache-2.0
"""Readable names out of a till's abbreviations: `REFRIG DIPS`, `24 OZ` → Refrigerated Dips 24 oz.

The source cuts product types at thirty characters and has no brand names; a maker is a number.
"""

import re
from collections.abc import Iterable

CUT = 30
"""Length at which the source cuts a product type."""

_TYPES = {
    "ALL FAMILY CEREAL": "Family Cereal",
    "ANTIPERSPIRANTS ONLY (ALL OTHE": "Antiperspirant",
    "APPLE JUICE & CIDER (OVER 50%": "Apple Juice & Cider",
    "ASEPTIC PACK JUICE AND DRINKS": "Juice Boxes",
    "BABY FOOD JUNIOR ALL BRANDS": "Junior Baby Food",
    "BEANS GREEN: FS/WHL/CUT": "Green Beans",
    "BEERALEMALT LIQUORS": "Beer",
    "BEERALE -NON ALCOHOLIC": "Alcohol-Free Beer",
    "BUTTER SPRAY CRACKER (RITZ/CLU": "Butter Crackers",
    "CANDY BARS (SINGLES)(INCLUDING": "Candy Bar",
    "CANNED CAT FOOD (9 LIVES/FRISK": "Canned Cat Food",
    "CAN CATFD GOURMET/SUP PREM (GR": "Gourmet Canned Cat Food",
    "CAN DOG FOOD (SKIPPY/PEDIGREE/": "Canned Dog Food",
    "CAN DOGFD GOURMET/SUPER PREM (": "Gourmet Canned Dog Food",
    "CARDS EVERYDAY": "Greeting Card",
    "CHEESE CRACKERS (CHEEZ-ITS/GOL": "Cheese Crackers",
    "CHIX: ROTISSERIE (HOT)": "Rotisserie Chicken",
    "DAIRY CASE 100% PURE JUICE - O": "Chilled Orange Juice",
    "DAIRY CASE FRUIT DRINKS (NO JU": "Chilled Fruit Drink",
    "DAIRY CASE JUICE DRNK UNDER 10": "Chilled Juice Drink",
    "DAIRY CASE TEA WITH SUGAR OR S": "Chilled Sweet Tea",
    "ECONOMY - MEAT": "Economy Hot Dogs",
    "FACIAL TISSUE & PAPER HANDKE": "Facial Tissue",
    "FLUID MILK WHITE ONLY": "White Milk",
    "FRZN BAGGED VEGETABLES - PLAIN": "Frozen Vegetables Bag",
    "FRZN BOXED VEGETABLES- VALUE A": "Frozen Vegetables Box",
    "FRZN BREADED PREPARED CHICK": "Frozen Breaded Chicken",
    "FRZN MULTI SERVE ENTREES ALL": "Frozen Family Entree",
    "FRZN SS PREMIUM ENTREES/DNRS/N": "Frozen Premium Nutritional Entree",
    "FRZN SS PREMIUM ENTREES/DNRS/T": "Frozen Premium Traditional Entree",
    "IWS SINGLE CHEESE": "Cheese Singles",
    "MAINSTREAM WHEAT/MULTIGRAIN BR": "Wheat & Multigrain Bread",
    "MAINSTREAM WHITE BREAD": "White Bread",
    "MEXICAN SAUCESSALSAPICANTEE": "Salsa & Picante Sauce",
    "MISCELLANEOUS MILK": "Specialty Milk",
    "MOUTHWASH RINSES AND SPRAYS": "Mouthwash",
    "NON-CARB FLVRD DRNKNG/MNRL WAT": "Flavored Still Water",
    "NON-CRBNTD DRNKING/MNERAL WATE": "Drinking Water",
    "PLSTC CTLRYTBLCLTHSTTHPKSST": "Plastic Cutlery & Tableware",
    "PREMIUM - MEAT": "Premium Hot Dogs",
    "PREPARED BEANS - BAKED W/PORK": "Baked Beans",
    "RTS SOUP: CHUNKY/HOMESTYLE ET": "Chunky Soup",
    "SEMI-SOLID SALAD DRESSING MAY": "Mayonnaise Dressing",
    "SFT DRNK 2 LITER BTL CARB INCL": "Soft Drink Bottle",
    "SFT DRNK MLT-PK BTL CARB (EXCP": "Soft Drink Bottles Multipack",
    "SFT DRNK SNGL SRV BTL CARB (EX": "Soft Drink Single Bottle",
    "SGL SV/VEND MACH SNACKS CHIP/P": "Single Serve Snack",
    "SOFT DRINK BOTTLE NON-CARB (EX": "Still Soft Drink Bottle",
    "SOFT DRINKS 12/18&15PK CAN CAR": "Soft Drink Cans 12/15/18-Pack",
    "SOFT DRINKS 20PK&24PK CAN CARB": "Soft Drink Cans 20/24-Pack",
    "SOFT DRINKS 6PK/4PK CAN CARB (": "Soft Drink Cans 4/6-Pack",
    "SS ECONOMY ENTREES/DINNERS ALL": "Frozen Economy Entree",
    "SW GDS:DONUTS": "Donuts",
    "VAC PAC NUTS(CANS)": "Canned Nuts",
    "WATER ICE": "Ice Pops",
    "YOGURT MULTI-PACKS": "Yogurt Multipack",
    "YOGURT NOT MULTI-PACKS": "Yogurt",
}
_WORDS = {
    "ADD": "Additives", "ALC": "Alcohol", "BEV": "Beverages", "BG": "Bags", "BKD": "Baked", "BN": "Beans",
    "BRD": "Breaded", "BRKFST": "Breakfast", "BTL": "Bottle", "BTR": "Butter", "CARB": "Carbonated",
    "CATFD": "Cat Food", "CHIX": "Chicken", "CHOC": "Chocolate", "CHOCOCLATE": "Chocolate", "CLEANG": "Cleaning",
    "CND": "Canned", "CNTRL": "Control", "CONC": "Concentrate", "CRMD": "Creamed", "DECAFFINATED": "Decaffeinated",
    "DNR": "Dinner", "DNRS": "Dinners", "DRNK": "Drink", "DRNKS": "Drinks", "DRSNG": "Dressing", "DSH": "Dishes",
    "FACIAL": "Facial", "FD": "Food", "FEM.": "Feminine", "FLVR": "Flavored", "FLVRD": "Flavored", "FRD": "Fried",
    "FRZ": "Frozen", "FRZN": "Frozen", "GDS": "Goods", "GRND": "Ground", "HBC": "Care", "HYGN.": "Hygiene",
    "HYGN.NAPKINS": "Napkins", "JCE": "Juice", "LIQS": "Liquids", "LSS": "Less", "LTR": "Lighter", "MISC": "Assorted",
    "MISC.": "Assorted", "MISCELLANEOUS": "Assorted", "MIXS": "Mixes", "MLK": "Milk", "MW": "Microwave", "MX": "Mix",
    "MXS": "Mixes", "PK": "Pack", "PKG": "Pack", "PKLD": "Pickled", "PKT": "Packet", "PNT": "Peanut", "PORT": "Portion",
    "PPK": "Packed", "PREM": "Premium", "PREP": "Prepared", "PREPACK": "Packed", "PRESLC": "Sliced",
    "PRESLCD": "Sliced", "PRPCK": "Packed", "PRSLC": "Sliced", "PWDR": "Powder", "PWDRS": "Powders",
    "RANIER": "Rainier", "REFRGRATD": "Refrigerated", "REFRIG": "Refrigerated", "SAL": "Salad", "SALD": "Salad",
    "SAUS": "Sausage", "SECT": "Sections", "SFT": "Soft", "SGL": "Single", "SHERBTS": "Sherbet", "SHLFSH": "Shellfish",
    "SNDWCH": "Sandwich", "SNGL": "Single", "SPECILATY": "Specialty", "SPLY": "Supplies", "SPRD": "Spread",
    "SS": "Single Serve", "SUPPPLIES": "Supplies", "SV": "Serve", "SW": "Sweet", "SWEETNERS": "Sweeteners",
    "SWT": "Sweet", "SYRP": "Syrup", "TISS": "Tissue", "TORT": "Tortilla", "TRSH": "Trash", "VEG": "Vegetable",
    "VEND": "Vending", "WHL": "Whole", "WHLSM": "Wholesome", "WOMEN": "Women", "WT": "Weight", "WTR": "Water",
    "XPCTRNT": "Expectorant",
}  # fmt: skip
_KEPT = {"BBQ", "DXM", "TV", "TN", "IQF"}
_SMALL = {"AND", "OR", "OF", "IN", "ON", "THE", "WITH", "FOR", "ALL", "TO", "THAN"}
_USELESS = {"PREP FOOD", "PREP FD", "SW GDS", "SV BEV", "QSR FD", "MISC", "DELI TRAY"}
_NOUNS = {
    "BACON": "Bacon", "BEEF": "Beef", "BREAKFAST SAUSAGE/SANDWICHES": "Breakfast Sausage", "CHICKEN": "Chicken",
    "DINNER SAUSAGE": "Sausage", "EXOTIC GAME/FOWL": "Game", "FROZEN MEAT": "Frozen Meat",
    "FRZN NOVELTIES/WTR ICE": "Ice Pops", "HEAT/SERVE": "Heat & Serve", "HOT DOGS": "Hot Dogs",
    "ICE CREAM/MILK/SHERBTS": "Ice Cream", "LAMB": "Lamb", "LUNCHMEAT": "Lunchmeat", "MEAT - MISC": "Meat",
    "PASTA SAUCE": "Pasta Sauce", "PORK": "Pork", "SALAD MIX": "Salad Mix", "SMOKED MEATS": "Smoked Meat",
    "TURKEY": "Turkey", "VEAL": "Veal",
}  # fmt: skip
_DEPARTMENTS = {
    "CHEF SHOPPE": "Chef's Shop", "DRUG GM": "Drugstore & Household", "MEAT": "Fresh Meat",
    "MEAT-PCKGD": "Packaged Meat", "NUTRITION": "Natural Foods", "PASTRY": "Bakery", "SEAFOOD": "Fresh Seafood",
    "SEAFOOD-PCKGD": "Packaged Seafood", "SPIRITS": "Wine & Spirits",
}  # fmt: skip
_UNITS = {"CT": "ct", "DZ": "dozen", "FT": "ft", "GA": "gal", "GAL": "gal", "GM": "g", "LB": "lb", "LTR": "L",
          "ML": "ml", "OZ": "oz", "PK": "pack", "PT": "pint", "QT": "quart", "SQ": "sq", "YD": "yd"}  # fmt: skip
_LARGEST = {"LB": 10.0, "CT": 6.0}
_SIZE = re.compile(r"(?:\([0-9]+\) ?)?(?:([0-9]*\.?[0-9]+) )?(OZ|LB|CT|GA|GAL|ML|L|LTR|DZ|PT|QT|PK|SQ FT|FT|YD|GM)")


def department_name(department: str) -> str:
    """Give a department's name as a shop would show it."""
    return _DEPARTMENTS.get(department) or tidy(department)


def complete_words(types: Iterable[str]) -> frozenset[str]:
    """Collect the words of types that are not cut: what a cut type may end with."""
    return frozenset(word for text in types if len(text) < CUT for word in re.split(r"[\s/&]+", text))


def type_name(product_type: str, category: str, known: frozenset[str]) -> str:
    """Name a kind of product, with the category's noun where the type says too little: `LEAN`, `BEEF` → Lean Beef."""
    if product_type in _TYPES:
        return _TYPES[product_type]
    name = tidy(_uncut(product_type, known))
    noun = _NOUNS.get(category)
    said = any(word.rstrip("s").lower() in name.lower() for word in (noun or "").split() if word.isalpha())
    return f"{name} {noun}" if noun and not said else name


def size_name(package_size: str | None, department: str) -> str:
    """Name a package size, or "" where there is none; produce often says the size of the crate, which is left out."""
    match = _SIZE.fullmatch(" ".join((package_size or "").split()))
    if not match:
        return ""
    amount, unit = float(match[1] or 1), match[2].split()
    if department == "PRODUCE" and amount > _LARGEST.get(unit[0], float("inf")):
        return ""
    return " ".join([f"{amount:g}", *(_UNITS.get(word, word) for word in unit)])


def tidy(text: str) -> str:
    """Write a till's text in words: abbreviations spelled out, `Bread: Rye` turned round, capitals only at starts."""
    text = re.sub(r"SEAFOOD-FRE-", "FRESH ", text)
    text = re.sub(r"SEAFOOD-FRZ-", "FROZEN ", text)
    text = re.sub(r"\((?!HOT\)|COLD\))[^)]*\)?", " ", text)
    text = re.sub(r"^MEAT:\s*", "DELI ", re.sub(r"\bBULK\b", "", text))
    head, found, tail = text.partition(" - ") if " - " in text else text.partition(":")
    if found and tail.strip():
        text = tail if head.strip() in _USELESS else f"{tail} {head}"
    text = re.sub(r"\bW/", "with ", text).replace("&", " & ").replace("-MAGAZINE", " MAGAZINE")
    words = [_word(word, first=place == 0) for place, word in enumerate(text.strip(" -:").split())]
    return " ".join(words)


def _word(word: str, *, first: bool) -> str:
    if word.upper() in _SMALL and not first:
        return word.lower()
    parts = re.split(r"([/()-])", word)
    return "".join(_WORDS.get(p) or (p if p in _KEPT else p[:1].upper() + p[1:].lower()) for p in parts)


def _uncut(product_type: str, known: frozenset[str]) -> str:
    """Drop the half word with which a cut type ends."""
    if len(product_type) < CUT or "(" in product_type:
        return product_type
    last = re.split(r"[\s/&]+", product_type)[-1]
    if last in known:
        return product_type
    head = product_type[: CUT - len(last)].rstrip(" /&")
    return re.sub(r"[ /&]+(?:W|AND|OR)$", "", head) or product_type
