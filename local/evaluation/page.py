# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501, RUF001 - markup and typography
"""An evaluation as one page for those who run the shop: it needs nothing else, in light, in dark, on paper."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from personalization.reports import charts
from personalization.reports.style import STYLE

from local.evaluation import plots
from local.evaluation.words import LIKELIHOOD_MARKS, TITLES, percent, task
from local.evaluation.words import mark as mark_of

Document = Mapping[str, Any]
_OUTCOME = {"good": "better than simple rules", "mixed": "no proven gain", "bad": "simple rules do better"}


def page(found: Document) -> str:
    """The page of an evaluation; see `trial.evaluate` for the document."""
    mark = mark_of(found)
    sections = [_words(found)]
    sections += [_task(found, name, *texts) for name, texts in _TASKS.items()]
    sections += [_variety(found), _calibration(found), _learning(found), _training(found), _time(found), _how(found)]
    return _PAGE.format(
        style=STYLE + _STYLE, mark=mark, outcome=_OUTCOME[mark], times=_times(found), facts=_facts(found), cards=_cards(found["data"]),
        sections="".join(sections),
    )  # fmt: skip


def _facts(found: Document) -> str:
    protocol, data = found["protocol"], found["data"]
    facts = {
        "Files": ", ".join(each["name"] for each in data["files"]),
        "Predicted": protocol["eventType"] or "interactions of every type",
        "Test": f"the {protocol['days']:g} days after {protocol['cut'][:10]}"
        if protocol["split"] == "time"
        else "each shopper's last moment",
        "Seed": str(protocol["seed"]),
        "Tier": protocol["tier"],
    }
    return "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())


def _times(found: Document) -> str:
    return "<span class='tag bad'>positions, no times</span>" if found["protocol"]["times"] == "positions" else ""


def _cards(data: Document) -> str:
    left = sum(each["rejected"] for each in data["files"])
    cards = [
        ("Interactions", f"{data['trains']:,}", f"{left:,} bad rows left out" if left else ""),
        ("Shoppers", f"{data['shoppers']:,}", f"half have {data['medianPerShopper']:.0f} interactions or more"),
        ("Items", f"{data['items']:,}", f"the top fifth makes {percent(data['bestsellers'])} of all interactions"),
        ("Again", percent(data["again"]), "interactions with an item that the shopper had taken before"),
        ("Times", "none", "but positions")
        if data["times"] == "positions"
        else ("From, to", f"{data['first']}", f"to {data['last']}"),
    ]
    return "".join(
        f"<div class=card><span class=label>{label}</span><b>{value}</b><small>{note or '&nbsp;'}</small></div>"
        for label, value, note in cards
    )


def _words(found: Document) -> str:
    told = "".join(
        f"<article class={each['mark']}-edge><h3>{escape(each['title'])}</h3><p>{escape(each['text'])}</p></article>"
        for each in found["words"]
    )
    return f"<section><h2>In short</h2><div class=answers>{told}</div></section>"


_TASKS = {
    "next": (
        "What known shoppers took next",
        "Of how many shoppers something that they took next was among the {depth} items of the list.",
    ),
    "discovery": (
        "New things for known shoppers",
        "The same, but for items that the shopper had never taken: what was taken before is left out of the lists, and counts for nothing.",
    ),
    "ranking": (
        "A given list in the right order",
        "Each shopper gets {listed} items to be put in order, among them what was taken next. Of how many shoppers something of that is among the first {depth}.",
    ),
    "strangers": ("New shoppers", "{who}"),
}
_WHO = {
    True: "Shoppers whose first visit was in the test: a recipe knows nothing of them but what the Users data say.",
    False: "Too few shoppers came for the first time in the test. So these are shoppers whom the recipes were not shown in training, asked as if they came for the first time: nothing is told of them but what the Users data say.",
}


def _task(found: Document, name: str, title: str, lead: str) -> str:
    shown = task(found, name)
    if shown is None:
        return ""
    depth = found["protocol"]["depth"]
    text = lead.format(depth=depth, listed=100, who=_WHO[shown.get("real", True)])
    most = plots.nice(max(each["hitRate"][2] for each in shown["methods"]))
    rows = "".join(_strip(each, most) for each in shown["methods"])
    asked = f"{shown['shoppers']:,} shoppers, who took {shown['items']:.1f} items on average."
    key = "<p class=key><span class=recipe>■</span> recipes <span class=rule>■</span> simple rules; the pale bar is where the figure is with 95 % certainty</p>"
    return f"<section><h2>{title}</h2><p class=quiet>{text} {asked}</p>{key}<div class=strips>{rows}</div>{_figures(shown, depth)}</section>"


def _strip(method: Document, most: float) -> str:
    value, low, high = method["hitRate"]
    title, mark = _title(method["method"])
    told = f"{title}: {percent(value)}, {percent(low)} to {percent(high)}"
    return (
        f"<div class=name>{escape(title)}</div>{plots.strip(method['hitRate'], most, told, mark)}"
        f"<div class=n><b>{percent(value)}</b> <small>{_span(low, high)}</small></div>"
    )


def _span(low: float, high: float) -> str:
    return f"{percent(low).removesuffix('%')}–{percent(high)}"


def _title(method: str) -> tuple[str, str]:
    title = TITLES[method]
    rule = title.startswith("Rule: ")
    plain = title.removeprefix("Rule: ")
    return (plain[:1].upper() + plain[1:], "rule" if rule else "recipe")


def _figures(shown: Document, depth: int) -> str:
    head = "".join(
        f"<th scope=col class=n>{name}</th>"
        for name in (
            f"NDCG@{depth}",
            "95 %",
            "× what sells most",
            "95 %",
            f"Recall@{depth}",
            f"Precision@{depth}",
            f"MRR@{depth}",
        )
    )
    rows = "".join(_row(each) for each in shown["methods"])
    table = f"<table><thead><tr><th scope=col></th>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<details><summary>All figures</summary><div class=scroll tabindex=0 role=region aria-label='All figures'>{table}</div></details>"


def _row(method: Document) -> str:
    times = method["times"]
    cells = [
        f"{method['ndcg'][0]:.4f}",
        f"{method['ndcg'][1]:.4f}–{method['ndcg'][2]:.4f}",
        f"{times[0]:.2f} ×" if times else "–",
        f"{times[1]:.2f}–{times[2]:.2f}" if times else "–",
        *(f"{method[name][0]:.4f}" for name in ("recall", "precision", "mrr")),
    ]
    title, _ = _title(method["method"])
    return f"<tr><th scope=row>{escape(title)}</th>{''.join(f'<td class=n>{cell}</td>' for cell in cells)}</tr>"


def _variety(found: Document) -> str:
    shown = task(found, "next")
    if shown is None:
        return ""
    rows = "".join(
        f"<tr><th scope=row>{escape(_title(each['method'])[0])}</th>{_share(each['coverage'])}{_share(each['tail'])}</tr>"
        for each in shown["methods"]
    )
    head = "<thead><tr><th scope=col></th><th scope=col colspan=2>Items shown to anybody, of all</th><th scope=col colspan=2>Places for the long tail</th></tr></thead>"
    lead = f"How much of the catalogue the lists use. The long tail is all but the bestselling fifth of the items; {percent(shown['tailTaken'])} of what the shoppers really took was of it."
    return f"<section><h2>Variety</h2><p class=quiet>{lead}</p><table class=barred>{head}<tbody>{rows}</tbody></table></section>"


def _share(share: float) -> str:
    return f"<td class=bar>{charts.meter(share, percent(share))}</td><td class=n>{percent(share)}</td>"


def _calibration(found: Document) -> str:
    told = found["calibration"]
    if told is None:
        return ""
    title = "Does a purchase likelihood mean what it says?"
    if "reason" in told:
        return f"<section><h2>{title}</h2><p>It cannot be said for these files: {escape(told['reason'])}.</p></section>"
    bins: Sequence[tuple[float, float]] = [(each["predicted"], each["observed"]) for each in told["bins"]]
    label = f"Purchase likelihood: from {_rare(bins[0][0])} predicted and {_rare(bins[0][1])} true to {_rare(bins[-1][0])} and {_rare(bins[-1][1])}."
    lead = f"Across: how likely a shopper was said to buy an item within {told['days']} days. Up: how often it came true, in the last {told['days']} days, of which the model had seen nothing. On the dashed line both are the same."
    better = 1 - told["logLoss"] / told["baseRateLogLoss"] if told["baseRateLogLoss"] else 0.0
    text = (
        f"On average {_rare(told['baseRate'])} of all shoppers and items come together within {told['days']} days. The likelihood tells them apart with an "
        f"AUC of {told['auc']:.3f} (0.5 is chance, 1 is perfect), and its log-loss is {better:.0%} under that of the average alone."
    )
    verdict = _verdict("", told["verdict"]) + _verdict(
        "Strangers, whose history is hidden: ", told["strangers"]["verdict"]
    )
    return f"<section><h2>{title}</h2>{verdict}<p class=quiet>{lead}</p>{plots.calibration(bins, label)}<p class='key under'>predicted; each group has as many predicted purchases as the next</p><p>{text}</p></section>"


def _verdict(whom: str, found: Document) -> str:
    tag = f"<span class='tag {LIKELIHOOD_MARKS[found['answer']]}'>{found['answer']}</span>"
    return f"<p>{tag} {whom}<strong>{escape(found['text'])}</strong></p>"


def _rare(share: float) -> str:
    return f"{100 * share:.2g}%"


def _learning(found: Document) -> str:
    curve = found["learning"]
    if len(curve) < 2:
        return ""
    points = [(each["share"], each["ndcg"]) for each in curve]
    words = [f"{each['shoppers']:,}" for each in curve]
    told = "; ".join(f"{each['ndcg'][0]:.4f} with {each['shoppers']:,} shoppers" for each in curve)
    lead = "How good the order of the lists is (NDCG) for the same shoppers when Recommended for you (in its fast tier) learns from fewer others. Where the line still rises, more shoppers bring more."
    return f"<section><h2>What more shoppers bring</h2><p class=quiet>{lead}</p>{plots.curve(points, words, told)}<p class='key under'>shoppers to learn from</p></section>"


def _training(found: Document) -> str:
    rows = "".join(
        f"<tr><th scope=row>{escape(_title(each['method'])[0])} <small>{escape(each['method'])}</small></th><td class=n>{each['seconds']:.1f} s</td><td class=n>{each['cpuSeconds']:.1f} s</td></tr>"
        for each in found["training"]
    )
    head = "<thead><tr><th scope=col></th><th scope=col class=n>By the clock</th><th scope=col class=n>Processor</th></tr></thead>"
    return f"<section><h2>Training</h2><p class=quiet>On this machine, two at a time, with the offline metrics of Personalize.</p><table class=narrow>{head}<tbody>{rows}</tbody></table></section>"


def _time(found: Document) -> str:
    data = found["data"]
    if not data["perDay"]:
        return ""
    picture, word = charts.timeline([(day, rows) for day, rows in data["perDay"]])
    types = ", ".join(f"{each['name']} {each['rows']:,}" for each in data["eventTypes"] if each["name"])
    return f"<section><h2>Interactions by {word}</h2><p class=quiet>{escape(types)}</p>{picture}</section>"


def _how(found: Document) -> str:
    protocol = found["protocol"]
    if protocol["split"] == "time":
        cut = f"Everything up to {protocol['cut'].replace('T', ' ').replace('Z', ' UTC')} is the past. Recipes and rules learn from it alone. What a shopper took at the first moment after it, within {protocol['days']:g} days, is what they have to foretell."
    else:
        why = (
            "The times in these files are positions and no clock that shoppers share, so a cut in time would test nothing"
            if protocol["times"] == "positions"
            else "Hardly a shopper comes back after a cut in time"
        )
        cut = f"{why}. The last moment of each shopper with three or more is the test, and everything else is the past."
    rules = protocol["rules"]
    own = (
        f"the shopper's own after {rules['ownHalfLife']:g} {'positions' if rules['recentHalfLife'] is None else 'days'}"
    )
    half = (
        own
        if rules["recentHalfLife"] is None
        else f"what sells lately counts half after {rules['recentHalfLife']:g} days, {own}"
    )
    lines = [
        cut,
        f"{protocol['knownShoppers']:,} shoppers with a past came back, {protocol['newShoppers']:,} came for the first time; {protocol['asked']:,} of the former were asked about.",
        "Items have names drawn at random while all this is measured, since ids in order often tell what sells or what is new. Where a recipe or rule gives two items the same score, what was taken counts as the later one.",
        f"The rules are at their best: {half}, chosen on the past before the test.",
        "The certainty is that of a bootstrap: shoppers are drawn anew 1,000 times. Multiples are compared in pairs, for the same shoppers.",
        "Hit rate: shoppers for whom the list had something right. Recall: how much of what was taken was in the list. Precision: how much of the list was taken. NDCG: recall that counts more the further up it stands. MRR: one over the place of the first hit.",
    ]
    return f"<section><h2>How this was measured</h2><ul class=notes>{''.join(f'<li>{line}</li>' for line in lines)}</ul></section>"


_STYLE = """
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem;margin:1rem 0}
.card{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.7rem .9rem;display:flex;flex-direction:column}
.card b{font-size:1.375rem;line-height:1.3;font-variant-numeric:tabular-nums}.label{color:var(--quiet);font-size:.8125rem}
.answers{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(20rem,100%),1fr));gap:.75rem;margin:.75rem 0}
article{background:var(--card);border:1px solid var(--line);border-left-width:4px;border-radius:.5rem;padding:.7rem 1rem;break-inside:avoid}
article h3{margin:0 0 .25rem;font-size:1rem}article p{margin:0;font-size:.9375rem}
.good-edge{border-left-color:var(--good)}.mixed-edge{border-left-color:#c98a12}.bad-edge{border-left-color:var(--bad)}
.strips{display:grid;grid-template-columns:minmax(10rem,20rem) minmax(6rem,1fr) auto;gap:.35rem 1rem;align-items:center;max-width:60rem}
.strip{width:100%;height:1.25rem;display:block}.strip line,.plot line{stroke:var(--line)}.strip line{stroke-width:1;vector-effect:non-scaling-stroke}
.recipe{--mark:var(--bar)}.rule{--mark:var(--quiet)}.span{fill:var(--mark);opacity:.35}.tick{fill:var(--mark)}
.key{font-size:.8125rem;color:var(--quiet);margin:.25rem 0 .6rem}.key span{color:var(--mark)}.under{max-width:34rem;text-align:center;margin-top:-.5rem}
.name{font-size:.9375rem}
.plot{width:100%;max-width:34rem;height:auto;display:block}.plot text{fill:var(--quiet);font-size:11px;font-variant-numeric:tabular-nums}
.plot polyline{fill:none;stroke:var(--bar);stroke-width:2}.plot circle{fill:var(--bar)}.plot .whisker{stroke:var(--bar);stroke-width:2;opacity:.45}
.plot .same{stroke-dasharray:4 4;stroke:var(--quiet)}
.meter{display:block;height:.7rem;border-radius:.35rem;background:var(--line);overflow:hidden;min-width:3rem;print-color-adjust:exact;-webkit-print-color-adjust:exact}
.meter>span{display:block;height:100%;background:var(--bar);print-color-adjust:exact;-webkit-print-color-adjust:exact}
.barred{max-width:60rem}.barred .bar{width:18%;vertical-align:middle}.narrow{max-width:36rem}
.chart{width:100%;height:auto;display:block;max-width:60rem}.chart rect{fill:var(--bar)}.chart line{stroke:var(--line)}
.chart text{fill:var(--quiet);font-size:12px;font-variant-numeric:tabular-nums}
.notes{margin:.25rem 0 1rem;padding-left:1.1rem;max-width:56rem}.notes li{margin:.3rem 0;overflow-wrap:anywhere}
tbody th small{display:block}details{border:0}
@media(max-width:34rem){.chart text{font-size:19px}.strips{grid-template-columns:1fr auto;gap:.1rem .75rem}.strip{grid-column:1/-1;grid-row:auto;order:0;margin-bottom:.5rem}
.strips .name{grid-column:1}.strips .n{grid-column:2}.strips{grid-auto-flow:dense}th,td{padding-right:.5rem}.meter{min-width:2rem}}
"""
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>What to expect from recommendations</title><style>{style}</style></head>
<body><main>
<h1>What to expect from recommendations <span class="tag {mark}">{outcome}</span>{times}</h1>
<dl class="facts">{facts}</dl>
<div class="cards">{cards}</div>
{sections}
</main></body></html>
"""
