# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501 - a style sheet
"""The looks that all pages share: nothing is loaded, in light, in dark, on a phone and on paper."""

STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--quiet:#59636e;--line:#d9dee3;--paper:#fff;--card:#f6f8fa;
--good:#0b6b34;--good-bg:#dcf5e4;--bad:#a3171f;--bad-bg:#fde3e4;--mixed:#7a4b00;--mixed-bg:#fdf0d2;--accent:#0a58ca;--bar:#3b7dd8}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ec;--quiet:#9da7b1;--line:#343b43;--paper:#14171a;--card:#1c2126;
--good:#7ee2a0;--good-bg:#123d22;--bad:#ff9a9f;--bad-bg:#4a171a;--mixed:#f5c66a;--mixed-bg:#43300a;--accent:#7db4ff;--bar:#5b9bf0}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:72rem;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 .5rem;display:flex;gap:.75rem;align-items:center;flex-wrap:wrap}
h2{font-size:1.25rem;margin:2.5rem 0 .5rem}h3{font-size:1.0625rem;margin:1.75rem 0 .25rem}
p{margin:.25rem 0 .75rem;max-width:46rem}small{color:var(--quiet);font-weight:400;font-size:.8125em}
.quiet{color:var(--quiet)}a{color:var(--accent)}
.facts{display:flex;gap:.25rem 1.5rem;flex-wrap:wrap;margin:0 0 1rem;color:var(--quiet);font-size:.875rem}
.facts dt{display:inline}.facts dd{display:inline;margin:0 0 0 .35rem;color:var(--ink);overflow-wrap:anywhere}
.tag{display:inline-block;padding:.05rem .6rem;border-radius:1rem;font-size:.8125rem;font-weight:600;white-space:nowrap}
h1 .tag{font-size:.9375rem}
.good{color:var(--good);background:var(--good-bg)}.bad{color:var(--bad);background:var(--bad-bg)}
.mixed{color:var(--mixed);background:var(--mixed-bg)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.9375rem}
th,td{text-align:left;padding:.5rem .75rem .5rem 0;vertical-align:top}
thead th{color:var(--quiet);font-weight:600;font-size:.8125rem;border-bottom:1px solid var(--line);vertical-align:bottom}
tbody th{font-weight:600}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
details{border-bottom:1px solid var(--line);padding:.5rem 0}summary{cursor:pointer;font-weight:600;padding:.25rem 0}
summary:focus-visible,.scroll:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
@media(max-width:34rem){main{padding:1.25rem .9rem 3rem}}
@media print{:root{color-scheme:light}main{padding:0;max-width:none}h2{break-after:avoid}section,tr,svg{break-inside:avoid}}
"""
