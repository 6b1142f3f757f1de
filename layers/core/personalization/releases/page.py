# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501, RUF001 - style sheet and typography
"""The report of a release as one page for people who sell things: it needs nothing else, in light, in dark, on paper."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from personalization.reports.style import STYLE

Document = Mapping[str, Any]
_TITLES = {
    "user-personalization": "Recommended for you",
    "personalized-ranking": "Ranking of given items",
    "similar-items": "Similar items",
    "popularity-count": "Popular items",
}
_SHOWN = 6
"""Lists of a recipe that are open from the start."""
_FIGURES = ("new", "popularity", "serving", "servingPopularity")


def page(report: Document) -> str:
    """The page of a report; see `release_report` for the document."""
    shop, run = escape(report["shop"]), escape(report["run"])
    return _PAGE.format(
        title=f"Release of {shop}",
        outcome=escape(report["outcome"]),
        mark=_mark(report["outcome"]),
        shop=shop,
        run=run,
        when=_time(report["judgedAt"]),
        rows=f"{report['rows']:,}",
        reason=escape(_sentence(report)),
        pages=_pages(report.get("pages", ())),
        verdicts="".join(_row(each) for each in report["recipes"]),
        metrics="".join(_metrics(each) for each in report["recipes"]),
        test=_test(report.get("heldOut")),
        lists="".join(_section(alias, pairs) for alias, pairs in report["lists"].items()) or _NO_LISTS,
        style=_STYLE,
    )


def _pages(names: Sequence[str]) -> str:
    """Links to what else there is to read about the run, in the same folder."""
    links = ", ".join(f"<a href='{escape(name, quote=True)}'>{_called(name)}</a>" for name in names)
    return f"<p>Also about this run: {links}.</p>" if links else ""


def _called(name: str) -> str:
    word, _, rest = name.removesuffix(".html").partition("-")
    return f"the {escape(rest.replace('-', ' part '))} that were dropped" if word == "data" else escape(word)


def _mark(outcome: str) -> str:
    return {"promoted": "good", "refused": "bad", "rolled back": "bad"}.get(outcome, "mixed")


def _sentence(report: Document) -> str:
    counts = [each["decision"] for each in report["recipes"]].count("approved")
    told = {
        "promoted": "Shoppers are served by the new versions.",
        "partly promoted": "Shoppers are served by the new versions of what was approved, and by the versions of before otherwise.",
        "refused": "Nothing changes for shoppers: the versions of before serve on.",
        "rolled back": f"The campaigns were put back on the versions of before: {report['reason']}.",
    }
    return f"{counts} of {len(report['recipes'])} recipes approved. {told.get(report['outcome'], report['reason'])}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _times(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} ×"


def _row(recipe: Document) -> str:
    mark = "good" if recipe["decision"] == "approved" else "bad"
    cells = "".join(f"<td class=n>{_number(recipe[name])}</td>" for name in _FIGURES)
    lifts = f"<td class=n><b>{_times(recipe['lift'])}</b></td><td class=n>{_times(recipe['servingLift'])}</td>"
    return (
        f"<tr><th scope=row>{_title(recipe['alias'])}</th><td><span class='tag {mark}'>{recipe['decision']}</span></td>"
        f"{lifts}{cells}</tr><tr class=why><td colspan=8><div>{_words(recipe)}</div></td></tr>"
    )


def _words(recipe: Document) -> str:
    """The reason, with Personalize's metric as words and not as an identifier that never wraps."""
    metric = str(recipe["metric"])
    words = str(recipe["reason"]).replace(metric, metric.replace("_", " "))
    return escape(_capital(words))


def _title(alias: str) -> str:
    return f"{escape(_TITLES.get(alias, alias))} <small>{escape(alias)}</small>"


def _metrics(recipe: Document) -> str:
    new, serving = recipe["metrics"]["new"] or {}, recipe["metrics"]["serving"] or {}
    rows = "".join(
        f"<tr><th scope=row>{escape(name.replace('_', ' '))}</th>"
        f"<td class=n>{_number(new.get(name))}</td><td class=n>{_number(serving.get(name))}</td></tr>"
        for name in dict.fromkeys([*new, *serving])
    )
    head = "<thead><tr><th scope=col>Metric</th><th scope=col class=n>New</th><th scope=col class=n>Serving</th></tr></thead>"
    return f"<details><summary>{_title(recipe['alias'])}</summary><table>{head}<tbody>{rows}</tbody></table></details>"


def _test(test: Document | None) -> str:
    """The section on held-out time; nothing where no test was asked for."""
    if not test:
        return ""
    kind = f"{escape(test['eventType'])} events" if test["eventType"] else "interactions"
    told = (
        f"The last {test['days']} days were held out: recipes were trained on the {test['trainedOn']:,} interactions up to "
        f"{_time(test['cutOff'])}, and their lists held against the {kind} that {test['shoppers']:,} sample shoppers had "
        f"afterwards. {test['newShoppers']:,} more shoppers were new then, so that nothing was known of them."
    )
    if test["outcome"] != "judged":
        return f"<h2>On held-out time</h2><p>{escape(_capital(test['reason']))}</p><p class=quiet>{told}</p>"
    again = f"Of what the shoppers had afterwards, {test['boughtAgain']:.0%} they had had before."
    rows = "".join(_tested(each) for each in test["recipes"])
    return f"<h2>On held-out time</h2><p class=quiet>{told} {again}</p>{_TESTED.format(rows=rows)}"


def _tested(recipe: Document) -> str:
    mark = {"approved": "good", "refused": "bad"}.get(recipe["decision"], "mixed")
    lift = recipe.get("lift")
    between = f" <small>{lift['low']:.2f} – {lift['high']:.2f}</small>" if lift else ""
    figures = "".join(
        f"<td class=n>{_number(both['new'])} <small>{_number(both['popularity'])}</small></td>"
        for both in (
            recipe.get("measures", {}).get(name, _UNKNOWN) for name in ("ndcg", "hitRate", "recall", "coverage")
        )
    )
    return (
        f"<tr><th scope=row>{_title(recipe['alias'])}</th><td><span class='tag {mark}'>{escape(recipe['decision'])}</span></td>"
        f"<td class=n>{recipe['shoppers']:,}</td><td class=n><b>{_times(lift['value'] if lift else None)}</b>{between}</td>{figures}</tr>"
        f"<tr class=why><td colspan=8><div>{escape(_capital(recipe['reason']))}.</div></td></tr>"
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _time(moment: str) -> str:
    return escape(moment.replace("T", " ").replace("Z", " UTC"))


def _section(alias: str, pairs: Sequence[Document]) -> str:
    both = [pair for pair in pairs if pair["before"] is not None and pair["after"] is not None]
    told = "1 list" if len(pairs) == 1 else f"{len(pairs)} lists"
    if both:
        told += f"; on average {sum(map(_kept, both)) / len(both):.0%} of the items stay"
    elif all(pair["after"] is None for pair in pairs):
        told += "; the new version was not promoted, so there is nothing beside them"
    cards = _cards(alias, pairs[:_SHOWN])
    if len(pairs) > _SHOWN:
        cards += f"<details><summary>{len(pairs) - _SHOWN} more</summary>{_cards(alias, pairs[_SHOWN:])}</details>"
    return f"<section><h3>{_title(alias)}</h3><p class=quiet>{told}.</p>{cards}</section>"


def _cards(alias: str, pairs: Sequence[Document]) -> str:
    return f"<div class=cards>{''.join(_card(alias, pair) for pair in pairs)}</div>"


def _kept(pair: Document) -> float:
    old, new = ({item["itemId"] for item in pair[side]} for side in ("before", "after"))
    return len(old & new) / len(new) if new else 0.0


def _card(alias: str, pair: Document) -> str:
    about = escape(pair["about"])
    who = {"similar-items": f"Beside item {about}", "popularity-count": "For everybody"}.get(alias, f"Shopper {about}")
    old = {item["itemId"] for item in pair["before"] or ()}
    return (
        f"<article><h4>{who}</h4><div class=pair>"
        f"{_list('Before', pair['before'], None)}{_list('After', pair['after'], old)}</div></article>"
    )


def _list(title: str, items: Sequence[Document] | None, old: set[str] | None) -> str:
    if items is None:
        text = "Nothing served yet." if title == "Before" else "Not promoted."
        return f"<div><h5>{title}</h5><p class=quiet>{text}</p></div>"
    lines = "".join(_line(item, fresh=old is not None and bool(old) and item["itemId"] not in old) for item in items)
    return f"<div><h5>{title}</h5><ol>{lines}</ol></div>"


def _line(item: Document, *, fresh: bool) -> str:
    number = escape(item["itemId"])
    text = f"{escape(item['name'])} <small>{number}</small>" if item["name"] else number
    return f"<li>{text}{' <span class=new>new</span>' if fresh else ''}</li>"


_UNKNOWN: Document = {"new": None, "popularity": None}
_TESTED = """<div class="scroll" tabindex="0" role="region" aria-label="On held-out time"><table>
<thead><tr><th scope="col">Recipe</th><th scope="col">Test</th><th scope="col" class="n">Shoppers</th>
<th scope="col" class="n">Times popularity,<br>95 % between</th><th scope="col" class="n">NDCG at 10<br>beside popularity</th>
<th scope="col" class="n">Hit rate at 10<br>beside popularity</th><th scope="col" class="n">Recall at 10<br>beside popularity</th>
<th scope="col" class="n">Coverage<br>beside popularity</th></tr></thead>
<tbody>{rows}</tbody></table></div>
"""
_NO_LISTS = "<p class=quiet>Nothing served before this run, and nothing was promoted by it.</p>"
_STYLE = (
    STYLE
    + """
h4{font-size:.9375rem;margin:0 0 .5rem;overflow-wrap:anywhere}
h5{font-size:.75rem;margin:0 0 .25rem;color:var(--quiet);text-transform:uppercase;letter-spacing:.05em}
tbody th small{display:block}
.why td{padding-top:0;padding-bottom:.9rem;color:var(--quiet);font-size:.875rem;border-bottom:1px solid var(--line)}
.why div{position:sticky;left:0;max-width:calc(min(72rem,100vw) - 2.5rem)}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(30rem,100%),1fr));gap:.75rem;margin:.6rem 0}
details table{max-width:36rem;margin:.25rem 0 .75rem}
section{margin-bottom:1.5rem}
article{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.9rem 1rem;break-inside:avoid}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:1.25rem}
ol{margin:0;padding-left:1.6rem;font-size:.9375rem}li{padding:.1rem 0;overflow-wrap:anywhere}
.new{color:var(--accent);font-size:.75rem;font-weight:600;margin-left:.25rem}
@media(max-width:34rem){.pair{gap:.75rem}ol{font-size:.875rem}}
"""
)
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{title}</title><style>{style}</style></head>
<body><main>
<h1>{title} <span class="tag {mark}">{outcome}</span></h1>
<p>{reason}</p>
<dl class="facts"><div><dt>Shop</dt><dd>{shop}</dd></div><div><dt>Judged</dt><dd>{when}</dd></div>
<div><dt>Rows imported</dt><dd>{rows}</dd></div><div><dt>Run</dt><dd>{run}</dd></div></dl>
{pages}
<h2>Decisions</h2>
<p class="quiet">Two imports have two different tests. So a version is not judged by its metric alone but by how many times it is
that of popularity, trained on the same data and tested in the same way.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Decisions"><table>
<thead><tr><th scope="col">Recipe</th><th scope="col">Decision</th><th scope="col" class="n">New,<br>times popularity</th>
<th scope="col" class="n">Serving,<br>times popularity</th><th scope="col" class="n">New</th>
<th scope="col" class="n">Popularity<br>beside new</th><th scope="col" class="n">Serving</th>
<th scope="col" class="n">Popularity<br>beside serving</th></tr></thead>
<tbody>{verdicts}</tbody></table></div>
{test}<h2>All metrics</h2>{metrics}
<h2>Before and after</h2>
<p class="quiet">Real answers to sample shoppers, asked before and after the update. Items marked <span class="new">new</span>
were not in the list before.</p>
{lists}
</main></body></html>
"""
