# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501 - markup
"""The report on a drop as one page for those who made the file: it needs nothing else, in light, in dark, on paper."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from personalization import charts
from personalization.page_style import STYLE

Document = Mapping[str, Any]


def page(report: Document) -> str:
    """The page of a report; see `data_report` for the document."""
    sections = (
        [make(report) for make in (_goals, _refused, _changes, _time, _people, _columns, _next)]
        if "rows" in report
        else []
    )
    mark = "good" if report["outcome"] == "accepted" else "bad"
    facts = {
        "Shop": report["shop"],
        "Checked": report["checkedAt"].replace("T", " ").replace("Z", " UTC"),
        "File": report["key"],
        "Mode": "whole history" if report["mode"] == "FULL" else "only what is new",
        "Run": report["run"],
    }
    told = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())
    title = f"{escape(report['kind'].capitalize())} of {escape(report['shop'])}"
    return _PAGE.format(
        title=title,
        style=STYLE + _STYLE,
        mark=mark,
        outcome=report["outcome"],
        sentence=_sentence(report),
        facts=told,
        figures=_figures(report) if "rows" in report else "",
        sections="".join(sections),
    )


def _sentence(report: Document) -> str:
    if report["reason"]:
        return f"<p class=why><b>Nothing of this file is imported.</b> {escape(_capital(report['reason']))}.</p>"
    rows = report["rows"]
    left = f" {rows['rejected']:,} rows were left out." if rows["rejected"] else ""
    notes = "".join(f"<li>{escape(_capital(note))}.</li>" for note in report["notes"])
    return f"<p>{rows['accepted']:,} rows are imported.{left}</p>" + (f"<ul class=notes>{notes}</ul>" if notes else "")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _figures(report: Document) -> str:
    rows = report["rows"]
    duplicates = "same as an earlier row" if report["kind"] == "interactions" else "id came before"
    cards = [
        ("Rows in the file", f"{rows['read']:,}", ""),
        ("Good rows", f"{rows['accepted']:,}", ""),
        ("Bad rows", f"{rows['rejected']:,}", f"{_percent(rows['rejectedShare'])}; limit {_percent(rows['limit'])}"),
        ("Duplicates", f"{rows['duplicates']:,}", duplicates),
    ]
    span = report.get("span")
    if span:
        cards.append(("Days", f"{span['days']:,}", f"{span['first'][:10]} to {span['last'][:10]}"))
    made = "".join(
        f"<div class=card><span class=label>{label}</span><b>{value}</b><small>{note or '&nbsp;'}</small></div>"
        for label, value, note in cards
    )
    return f"<div class=cards>{made}</div>"


def _percent(share: float) -> str:
    if share and share < 0.0001:
        return "under 0.01%"
    digits = 2 if share < 0.01 else 1 if share < 0.995 else 0
    text = f"{share * 100:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text}%"


def _section(title: str, body: str, lead: str = "") -> str:
    return f"<section><h2>{title}</h2>{f'<p class=quiet>{lead}</p>' if lead else ''}{body}</section>"


def _goals(report: Document) -> str:
    if not report["goals"]:
        return ""
    rows = "".join(_goal(goal) for goal in report["goals"])
    lead = "Personalize trains on no less than the minimum, and does better from the recommended amount on."
    return _section("Is it enough to train on?", f"<div class=goals>{rows}</div>", lead)


def _goal(goal: Document) -> str:
    have, minimum, recommended = goal["have"], goal["minimum"], goal["recommended"]
    if have < minimum:
        mark, told = "short", f"{have:,} of {minimum:,} {goal['what']} that are needed: {minimum - have:,} are missing"
        share = have / minimum
    elif have < recommended:
        mark, told = "some", f"{have:,} {goal['what']}; the minimum is {minimum:,}, recommended are {recommended:,}"
        share = have / recommended
    else:
        mark, told, share = "full", f"{have:,} {goal['what']}; recommended are {recommended:,}", 1.0
    return f"<div><div>{escape(told)}</div>{charts.meter(share, told, mark)}</div>"


def _refused(report: Document) -> str:
    if not report["refused"]:
        return _section("Bad rows", "<p>There are none.</p>")
    rows = "".join(
        f"<tr><th scope=row>{escape(_capital(reason['rule']))}</th><td class=n>{reason['rows']:,}</td>"
        f"<td>{_examples(reason)}</td></tr>"
        for reason in report["refused"]
    )
    head = (
        "<thead><tr><th scope=col>Reason</th><th scope=col class=n>Rows</th><th scope=col>For example</th></tr></thead>"
    )
    where = ""
    rejects = report.get("rejects")
    if rejects:
        which = (
            "All of them" if rejects["rows"] == report["rows"]["rejected"] else f"The first {rejects['rows']:,} of them"
        )
        where = f"<p class=quiet>{which}, each with its line and the reason: <code>{escape(rejects['key'])}</code></p>"
    lead = "The first line of the file is line 1, as an editor counts."
    return _section("Bad rows", f"{_scroll(f'<table>{head}<tbody>{rows}</tbody></table>', 'Bad rows')}{where}", lead)


def _examples(reason: Document) -> str:
    """What the rows have in the column, and the lines that have it; what is the same is said once."""
    groups: dict[str, list[int]] = {}
    for each in reason["examples"]:
        value = f"<code>{escape(each['value'])}</code>" if each["value"] else ""
        told = "" if each["told"] == reason["rule"] else escape(each["told"])
        groups.setdefault(value or told, []).append(each["line"])
    lines = [
        f"<li>{'line' if len(lines) == 1 else 'lines'} {', '.join(f'{line:,}' for line in lines)}{': ' * bool(told)}{told}</li>"
        for told, lines in groups.items()
    ]
    return f"<ul>{''.join(lines)}</ul>"


def _scroll(table: str, label: str) -> str:
    return f"<div class=scroll tabindex=0 role=region aria-label='{label}'>{table}</div>"


def _changes(report: Document) -> str:
    changes = report["changes"]
    if not changes:
        return ""
    rows = "".join(_figure(figure) for figure in changes["figures"])
    head = "<thead><tr><th scope=col></th><th scope=col class=n>Before</th><th scope=col class=n>Now</th><th scope=col class=n>Change</th></tr></thead>"
    told = [
        f"<li>{label}: {escape(', '.join(changes[member]))}</li>"
        for member, label in _CHANGED.items()
        if changes[member]
    ]
    listed = f"<ul class=notes>{''.join(told)}</ul>" if told else ""
    lead = f"Compared with the drop that was accepted at {changes['checkedAt'].replace('T', ' ').replace('Z', ' UTC')}."
    return _section("Since the last drop", f"<table class=narrow>{head}<tbody>{rows}</tbody></table>{listed}", lead)


_CHANGED = {
    "columnsAdded": "New columns",
    "columnsGone": "Columns that are gone",
    "eventTypesAdded": "New event types",
    "eventTypesGone": "Event types that are gone",
}


def _figure(figure: Document) -> str:
    before, now = figure["before"], figure["now"]
    change = f"{now - before:+,}" + (f" ({(now - before) / before:+.1%})" if before else "")
    return f"<tr><th scope=row>{_capital(figure['what'])}</th><td class=n>{before:,}</td><td class=n>{now:,}</td><td class=n>{change}</td></tr>"


def _time(report: Document) -> str:
    days = report.get("perDay")
    if not days:
        return ""
    picture, word = charts.timeline([(day, rows) for day, rows in days])
    types = report["eventTypes"]
    total = sum(each["rows"] for each in types) or 1
    listed = _bars([(each["name"], each["rows"], each["rows"] / total) for each in types], "Event type", "Interactions")
    return _section(f"Interactions by {word}", picture) + _section("Event types", listed)


def _bars(rows: Sequence[tuple[str, int, float]], what: str, counted: str) -> str:
    """A table whose rows have bars; the bars show the share."""
    body = "".join(
        f"<tr><th scope=row>{escape(name)}</th><td class=n>{count:,}</td><td class=bar>{charts.meter(share, _percent(share))}</td><td class=n>{_percent(share)}</td></tr>"
        for name, count, share in rows
    )
    head = f"<thead><tr><th scope=col>{what}</th><th scope=col class=n>{counted}</th><th scope=col><span class=hidden>Bar</span></th><th scope=col class=n>Share</th></tr></thead>"
    return f"<table class=barred>{head}<tbody>{body}</tbody></table>"


def _people(report: Document) -> str:
    users, items = report.get("users"), report.get("items")
    if not users or not items or not users["ids"]:
        return ""
    shoppers = _section(
        f"{users['ids']:,} shoppers",
        _groups(users, "Shoppers") + _unknown(users, "shoppers", "users"),
        "By the number of their interactions. Who has one alone teaches nothing about what goes together.",
    )
    tail = "".join(
        f"<tr><th scope=row>the busiest {_percent(each['top'])}</th><td class=bar>{charts.meter(each['share'], _percent(each['share']))}</td><td class=n>{_percent(each['share'])}</td></tr>"
        for each in items["tail"]
    )
    curve = f"<table class=barred><thead><tr><th scope=col>Of all items,</th><th scope=col>have of all interactions</th><th scope=col class=n>Share</th></tr></thead><tbody>{tail}</tbody></table>"
    top = ", ".join(f"{escape(each['itemId'])} ({each['rows']:,})" for each in items["top"])
    catalogue = _section(
        f"{items['ids']:,} items",
        f"{curve}<p class=quiet>Most often: {top}.</p><details><summary>Items by the number of their interactions</summary>{_groups(items, 'Items')}</details>{_unknown(items, 'items', 'items')}",
        "The long tail: how much of everything the busiest items have.",
    )
    return shoppers + catalogue


def _groups(spread: Document, what: str) -> str:
    rows = [(_group(each), each["ids"], each["ids"] / spread["ids"]) for each in spread["groups"]]
    return _bars(rows, "Interactions each", what)


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
        f"<p><b>{_percent(unknown['share'])} of the interactions</b> ({unknown['rows']:,}) are of {unknown['ids']:,} {what} "
        f"that are not in the shop's {kind}: nothing but their interactions is known of them.</p>"
    )


def _columns(report: Document) -> str:
    rows = "".join(_column(column) for column in report["columns"])
    head = "<thead><tr><th scope=col>Column</th><th scope=col>Read as</th><th scope=col class=n>Values</th><th scope=col>Filled</th><th scope=col class=n>Share</th></tr></thead>"
    lead = "Personalize recommends columns that are filled in 70% of the rows or more, and categories with at most 1,000 values."
    return _section("Columns", _scroll(f"<table class=barred>{head}<tbody>{rows}</tbody></table>", "Columns"), lead)


def _column(column: Document) -> str:
    mark = "" if column["share"] >= 0.7 else "some"
    values = "" if column["distinct"] is None else f"{column['distinct']:,}"
    meter = charts.meter(column["share"], f"{_percent(column['share'])} filled", mark)
    return f"<tr><th scope=row>{escape(column['name'])}</th><td>{column['kind']}</td><td class=n>{values}</td><td class=bar>{meter}</td><td class=n>{_percent(column['share'])}</td></tr>"


def _next(report: Document) -> str:
    after, rows = report["next"], report["rows"]
    prices = after["prices"]
    refused = bool(report["reason"])
    steps = [("Import", f"{rows['accepted']:,} rows, {rows['bytes'] / 1e6:,.1f} MB", _dollars(after["importDollars"]))]
    if after["recipes"]:
        hours = f"{len(after['recipes'])} recipes ({', '.join(after['recipes'])}), together about {after['trainingHours']:.1f} training hours"
        steps.append(("Train", hours, _dollars(after["trainingDollars"])))
        month = f"{after['campaigns']} campaigns, {_dollars(after['campaignMonthDollars'])} each: the least that one costs, with no request at all"
        steps.append(("Serve", month, f"{_dollars(after['monthDollars'])} a month"))
    else:
        steps.append(("Train", f"nothing: the next drop of interactions takes these {report['kind']} in", ""))
    body = "".join(
        f"<tr><th scope=row>{what}</th><td>{escape(told)}</td><td class=n>{cost}</td></tr>"
        for what, told, cost in steps
    )
    head = "<thead><tr><th scope=col>Step</th><th scope=col>What</th><th scope=col class=n>About</th></tr></thead>"
    lead = "Nothing, because the file is refused. Once it is accepted:" if refused else ""
    source = (
        f"An estimate. Prices as of {escape(prices['as_of'])}, in US dollars, from secondary sources: AWS's own list decides. "
        f"Set yours under <code>prices</code> in the shop's settings; the training hours are a guess "
        f"({prices['training_hours_per_million']:g} for each recipe and million interactions) until your own runs tell better."
    )
    return _section(
        "What this run does, and what it costs",
        f"<table>{head}<tbody>{body}</tbody></table><p class=quiet>{source}</p>",
        lead,
    )


def _dollars(amount: float) -> str:
    if 0 < amount < 0.01:
        return "under $0.01"
    return f"${amount:,.2f}" if amount < 100 else f"${amount:,.0f}"


_STYLE = """
.why{border-left:4px solid var(--bad);padding:.25rem 0 .25rem .9rem;max-width:56rem;overflow-wrap:anywhere}
ul{margin:0;padding-left:1.1rem}td ul{list-style:none;padding:0}td li{overflow-wrap:anywhere}
.notes{margin:.25rem 0 1rem;max-width:56rem}.notes li{overflow-wrap:anywhere}
code{font-size:.875em;overflow-wrap:anywhere}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem;margin:1rem 0}
.card{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.7rem .9rem;display:flex;flex-direction:column}
.card b{font-size:1.5rem;line-height:1.3;font-variant-numeric:tabular-nums}.label{color:var(--quiet);font-size:.8125rem}
.goals{display:grid;gap:.9rem;max-width:46rem}
.meter{display:block;height:.7rem;border-radius:.35rem;background:var(--line);overflow:hidden;min-width:4rem;print-color-adjust:exact;-webkit-print-color-adjust:exact}
.meter>span{display:block;height:100%;background:var(--bar);print-color-adjust:exact;-webkit-print-color-adjust:exact}
.goals .meter{margin-top:.3rem}.meter.short>span{background:var(--bad)}.meter.some>span{background:#c98a12}.meter.full>span{background:var(--good)}
.barred .bar{width:45%;vertical-align:middle}.narrow{max-width:36rem}.barred{max-width:52rem}
.chart{width:100%;height:auto;display:block;max-width:60rem}.chart rect{fill:var(--bar)}.chart line{stroke:var(--line)}
.chart text{fill:var(--quiet);font-size:12px;font-variant-numeric:tabular-nums}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
@media(max-width:34rem){.barred .bar{width:25%}.chart text{font-size:19px}.meter{min-width:2.5rem}th,td{padding-right:.5rem}}
"""
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{title}</title><style>{style}</style></head>
<body><main>
<h1>{title} <span class="tag {mark}">{outcome}</span></h1>
{sentence}
<dl class="facts">{facts}</dl>
{figures}{sections}
</main></body></html>
"""
