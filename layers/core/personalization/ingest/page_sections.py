# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501 - markup
"""Three parts of the page of a drop: shoppers and items, columns, and what follows."""

from html import escape

from personalization.ingest.report import Document
from personalization.reports import charts
from personalization.reports.parts import bars, dollars, percent, scroll, section


def people(report: Document) -> str:
    """How interactions are spread over shoppers and items."""
    users, items = report.get("users"), report.get("items")
    if not users or not items or not users["ids"]:
        return ""
    shoppers = section(
        f"{users['ids']:,} shoppers",
        _groups(users, "Shoppers") + _unknown(users, "shoppers", "users"),
        "By the number of their interactions. Who has one alone teaches nothing about what goes together.",
    )
    tail = "".join(
        f"<tr><th scope=row>the busiest {percent(each['top'])}</th><td class=bar>{charts.meter(each['share'], percent(each['share']))}</td><td class=n>{percent(each['share'])}</td></tr>"
        for each in items["tail"]
    )
    curve = f"<table class=barred><thead><tr><th scope=col>Of all items,</th><th scope=col>have of all interactions</th><th scope=col class=n>Share</th></tr></thead><tbody>{tail}</tbody></table>"
    top = ", ".join(f"{escape(each['itemId'])} ({each['rows']:,})" for each in items["top"])
    catalogue = section(
        f"{items['ids']:,} items",
        f"{curve}<p class=quiet>Most often: {top}.</p><details><summary>Items by the number of their interactions</summary>{_groups(items, 'Items')}</details>{_unknown(items, 'items', 'items')}",
        "The long tail: how much of everything the busiest items have.",
    )
    return shoppers + catalogue


def _groups(spread: Document, what: str) -> str:
    rows = [(_group(each), each["ids"], each["ids"] / spread["ids"]) for each in spread["groups"]]
    return bars(rows, "Interactions each", what)


def _group(group: Document) -> str:
    if group["to"] is None:
        return f"{group['from']} or more"
    return f"{group['from']}" if group["from"] == group["to"] else f"{group['from']} to {group['to']}"


def _unknown(spread: Document, what: str, kind: str) -> str:
    unknown = spread.get("unknown")
    if unknown is None:
        return f"<p class=quiet>Whether these {what} are in the shop's {kind} is not known: no {kind} were dropped before this file was checked.</p>"
    if not unknown["rows"]:
        return f"<p>All of these {what} are in the shop's {kind}.</p>"
    return (
        f"<p><b>{percent(unknown['share'])} of the interactions</b> ({unknown['rows']:,}) are of {unknown['ids']:,} {what} "
        f"that are not in the shop's {kind}: nothing but their interactions is known of them.</p>"
    )


def columns(report: Document) -> str:
    """The columns, and how much of each is there."""
    if not report["columns"]:
        return ""
    rows = "".join(_column(column) for column in report["columns"])
    head = "<thead><tr><th scope=col>Column</th><th scope=col>Read as</th><th scope=col class=n>Values</th><th scope=col class=n>Minimum</th><th scope=col class=n>Median</th><th scope=col class=n>Maximum</th><th scope=col>Filled</th><th scope=col class=n>Share</th></tr></thead>"
    lead = "Personalize recommends columns that are filled in 70% of the rows or more, and categories with at most 1,000 values."
    return section("Columns", scroll(f"<table class=barred>{head}<tbody>{rows}</tbody></table>", "Columns"), lead)


def _column(column: Document) -> str:
    mark = "" if column["share"] >= 0.7 else "some"
    values = "" if column["distinct"] is None else f"{column['distinct']:,}"
    numbers = "".join(f"<td class=n>{each}</td>" for each in _range(column.get("range")))
    meter = charts.meter(column["share"], f"{percent(column['share'])} filled", mark)
    return f"<tr><th scope=row>{escape(column['name'])}</th><td>{column['kind']}</td><td class=n>{values}</td>{numbers}<td class=bar>{meter}</td><td class=n>{percent(column['share'])}</td></tr>"


def _range(numbers: Document | None) -> tuple[str, str, str]:
    """The smallest, the middle and the largest number of a column; empty where it has none."""
    if numbers is None:
        return "", "", ""
    about = "" if numbers["exact"] else "about "
    return _number(numbers["minimum"]), about + _number(numbers["median"]), _number(numbers["maximum"])


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:,.6g}"


def following(report: Document) -> str:
    """What the run does with the file, and roughly what that costs."""
    if report["reason"]:
        return ""
    after, rows = report["next"], report["rows"]
    prices = after["prices"]
    steps = [("Import", f"{rows['accepted']:,} rows, {rows['bytes'] / 1e6:,.1f} MB", dollars(after["importDollars"]))]
    if test := after.get("heldOut"):
        told = f"on the last {test['days']} days, which a second training of {', '.join(test['recipes'])} does not see: about {test['trainingHours']:.1f} training hours and at most {test['lists']:,} lists, in a dataset group of its own as long as it takes (AWS allows five a region unless it raises that)"
        steps.append(("Test", told, dollars(test["dollars"])))
    if after["recipes"]:
        steps.append(("Train", _training(after), dollars(after["trainingDollars"])))
        each = ", ".join(f"{month['recipe']} {dollars(month['dollars'])}" for month in after["campaignMonths"])
        month = f"{after['campaigns']} campaigns ({each}): the least that they cost, with no request at all{_FLOOR if after['generation'] == 'v2' else ''}"
        steps.append(("Serve", month, f"{dollars(after['monthDollars'])} a month"))
        if after["recommenders"]:
            told = f"recommenders: {', '.join(after['recommenders'])}. They bill by the hour, on AWS's own list, and are in no sum here"
            steps.append(("Serve", told, "not counted"))
    else:
        steps.append(("Train", f"nothing: the next drop of interactions takes these {report['kind']} in", ""))
    body = "".join(
        f"<tr><th scope=row>{what}</th><td>{escape(told)}</td><td class=n>{cost}</td></tr>"
        for what, told, cost in steps
    )
    head = "<thead><tr><th scope=col>Step</th><th scope=col>What</th><th scope=col class=n>About</th></tr></thead>"
    source = (
        f"An estimate. Prices as of {escape(prices['as_of'])}, in US dollars, from secondary sources: {_listed(prices)}. AWS's own list decides. "
        f"Set yours under <code>prices</code> in the shop's settings; the training hours are a guess "
        f"({prices['training_hours_per_million']:g} for each recipe and million interactions) until your own runs tell better."
    )
    return section(
        "What this run does, and what it costs",
        f"<table>{head}<tbody>{body}</tbody></table><p class=quiet>{source}</p>",
    )


_FLOOR = ". Whether AWS bills an idle campaign of the second generation is not published; it is counted as if it did"


def _training(after: Document) -> str:
    """What is trained, and on how much."""
    hours = f", {after['trainingHours']:.1f} training hours" if after["trainingHours"] else ""
    return f"{len(after['recipes'])} recipes ({', '.join(after['recipes'])}) on the whole history, about {after['interactions']:,} interactions{hours}"


def _listed(prices: Document) -> str:
    """The price table in a sentence."""
    named = {
        "import_gigabyte": "a GB imported",
        "training_hour": "a training hour",
        "thousand_recommendations": "a thousand recommendations",
        "thousand_batch_recommendations": "a thousand batch recommendations",
        "thousand_with_metadata": "metadata in a thousand recommendations",
        "thousand_recommendations_v2": "a thousand recommendations of the second generation",
        "thousand_interactions_v2": "a training of the second generation on a thousand interactions",
    }
    return ", ".join(f"${prices[name]:g} for {what}" for name, what in named.items() if prices.get(name) is not None)
