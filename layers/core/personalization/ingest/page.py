# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501 - markup
"""The report on a drop as one page for those who made the file: it needs nothing else, in light, in dark, on paper."""

from html import escape

from personalization.ingest.page_sections import columns, following, people
from personalization.ingest.report import Document
from personalization.reports import charts, style
from personalization.reports.parts import STYLE, bars, capital, percent, scroll, section


def page(report: Document) -> str:
    """The page of a report; see `data_report` for the document."""
    sections = (
        [make(report) for make in (_goals, _refused, _changes, _time, people, columns, following)]
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
        style=style.STYLE + STYLE,
        mark=mark,
        outcome=report["outcome"],
        sentence=_sentence(report),
        facts=told,
        figures=_figures(report) if "rows" in report else "",
        sections="".join(sections),
    )


def _sentence(report: Document) -> str:
    if report["reason"]:
        advice = "".join(f"<li>{escape(each)}.</li>" for each in report["advice"])
        why = f"<p class=why><b>Nothing of this file is imported.</b> {escape(capital(report['reason']))}.</p>"
        return why + section("What to do", f"<ul class=notes>{advice}</ul>")
    rows = report["rows"]
    left = f" {rows['rejected']:,} rows were left out." if rows["rejected"] else ""
    notes = "".join(f"<li>{escape(capital(note))}.</li>" for note in report["notes"])
    judged = (
        " What becomes of the run is told in <a href='release.html'>its release report</a>, once it is judged."
        if report["kind"] == "interactions"
        else ""
    )
    return f"<p>{rows['accepted']:,} rows are imported.{left}{judged}</p>" + (
        f"<ul class=notes>{notes}</ul>" if notes else ""
    )


def _figures(report: Document) -> str:
    rows = report["rows"]
    duplicates = "same as an earlier row" if report["kind"] == "interactions" else "id came before"
    if not rows["read"]:
        return ""
    stopped = report.get("stoppedAt")
    cards = [
        ("Rows looked at", f"{rows['read']:,}", f"up to line {stopped:,}")
        if stopped
        else ("Rows in the file", f"{rows['read']:,}", ""),
        ("Good rows", f"{rows['accepted']:,}", ""),
        ("Bad rows", f"{rows['rejected']:,}", f"{percent(rows['rejectedShare'])}; limit {percent(rows['limit'])}"),
    ]
    if rows["accepted"]:
        cards.append(("Duplicates", f"{rows['duplicates']:,}", duplicates))
    span = report.get("span")
    if span:
        cards.append(("Days", f"{span['days']:,}", f"{span['first'][:10]} to {span['last'][:10]}"))
    made = "".join(
        f"<div class=card><span class=label>{label}</span><b>{value}</b><small>{note or '&nbsp;'}</small></div>"
        for label, value, note in cards
    )
    return f"<div class=cards>{made}</div>"


def _goals(report: Document) -> str:
    if not report["goals"]:
        return ""
    rows = "".join(_goal(goal) for goal in report["goals"])
    lead = "Personalize trains on no less than the minimum, and does better from the recommended amount on."
    return section("Is it enough to train on?", f"<div class=goals>{rows}</div>", lead)


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
        if report["reason"]:
            return ""
        return section("Bad rows", "<p>There are none.</p>")
    rows = "".join(
        f"<tr><th scope=row>{escape(capital(reason['rule']))}</th><td class=n>{reason['rows']:,}</td>"
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
    return section("Bad rows", f"{scroll(f'<table>{head}<tbody>{rows}</tbody></table>', 'Bad rows')}{where}", lead)


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
    return section("Since the last drop", f"<table class=narrow>{head}<tbody>{rows}</tbody></table>{listed}", lead)


_CHANGED = {
    "columnsAdded": "New columns",
    "columnsGone": "Columns that are gone",
    "eventTypesAdded": "New event types",
    "eventTypesGone": "Event types that are gone",
}


def _figure(figure: Document) -> str:
    before, now = figure["before"], figure["now"]
    change = f"{now - before:+,}" + (f" <span>({(now - before) / before:+.1%})</span>" if before else "")
    return f"<tr><th scope=row>{capital(figure['what'])}</th><td class=n>{before:,}</td><td class=n>{now:,}</td><td class=n>{change}</td></tr>"


def _days(report: Document, days: list[tuple[str, int]]) -> str:
    """What a bar of a week or a month does not show: the days."""
    every = report["span"]["days"]
    day, most = max(days, key=lambda each: each[1])
    idle = every - len(days)
    none = f" {idle:,} {'day has' if idle == 1 else 'days have'} none." if idle else ""
    mean = sum(rows for _, rows in days) / every
    return f"<p class=quiet>{mean:,.0f} a day on average; the most on {day}: {most:,}.{none}</p>"


def _time(report: Document) -> str:
    days = report.get("perDay")
    if not days:
        return ""
    picture, word = charts.timeline([(day, rows) for day, rows in days])
    types = report["eventTypes"]
    total = sum(each["rows"] for each in types) or 1
    listed = bars([(each["name"], each["rows"], each["rows"] / total) for each in types], "Event type", "Interactions")
    return section(f"Interactions by {word}", picture + _days(report, days)) + section("Event types", listed)


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
