# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501 - markup
"""What the page of a drop is put together from: numbers as people read them, tables, bars, and the style sheet."""

from collections.abc import Sequence
from html import escape

from personalization.reports import charts


def capital(text: str) -> str:
    """A text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def percent(share: float) -> str:
    """A share in per cent, with as many digits as tell something."""
    if share and share < 0.0001:
        return "under 0.01%"
    digits = 2 if share < 0.01 else 1 if share < 0.995 else 0
    text = f"{share * 100:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text}%"


def section(title: str, body: str, lead: str = "") -> str:
    """A part of the page under a heading of its own, with a quiet sentence before it if there is a `lead`."""
    return f"<section><h2>{title}</h2>{f'<p class=quiet>{lead}</p>' if lead else ''}{body}</section>"


def scroll(table: str, label: str) -> str:
    """A table that scrolls by itself where the page is narrow; `label` names it."""
    return f"<div class=scroll tabindex=0 role=region aria-label='{label}'>{table}</div>"


def bars(rows: Sequence[tuple[str, int, float]], what: str, counted: str) -> str:
    """A table whose rows have bars; the bars show the share."""
    body = "".join(
        f"<tr><th scope=row>{escape(name)}</th><td class=n>{count:,}</td><td class=bar>{charts.meter(share, percent(share))}</td><td class=n>{percent(share)}</td></tr>"
        for name, count, share in rows
    )
    head = f"<thead><tr><th scope=col>{what}</th><th scope=col class=n>{counted}</th><th scope=col><span class=hidden>Bar</span></th><th scope=col class=n>Share</th></tr></thead>"
    return f"<table class=barred>{head}<tbody>{body}</tbody></table>"


def dollars(amount: float) -> str:
    """An amount, with as many digits as tell something."""
    if 0 < amount < 0.01:
        return "under $0.01"
    return f"${amount:,.2f}" if amount < 100 else f"${amount:,.0f}"


STYLE = """
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
td.n,th.n{padding-right:1.25rem}
.barred .bar{width:45%;vertical-align:middle}.narrow{max-width:36rem}.barred{max-width:52rem}
.chart{width:100%;height:auto;display:block;max-width:60rem}.chart rect{fill:var(--bar)}.chart line{stroke:var(--line)}
.chart text{fill:var(--quiet);font-size:12px;font-variant-numeric:tabular-nums}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
@media(max-width:34rem){td.n>span{display:block}.barred .bar{width:25%}.chart text{font-size:19px}.meter{min-width:2.5rem}th,td{padding-right:.5rem}}
"""
"""What this page has besides the looks that all pages share."""
