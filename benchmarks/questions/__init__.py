# SPDX-License-Identifier: Apache-2.0
"""The bench of questions: each recipe beside the best plain rule for its question, on every set.

``python -m benchmarks.questions [--question Q…] [--set S…] [--recipe R…] [--tier T…] [--data DIR] [--quick]``.

Protocol. Where times are real there is one cut for the whole shop: what lies before it trains, recipes and rules alike,
and the window after it is asked for (`Set.days`). Leave-one-out only where times are positions. Item ids are drawn at
random, and ties count against what is measured. A rule's parameters, and which rule a row is held against, are
chosen on the cut before (`Shop.split(1)`); so nothing is chosen on the test. `--validation` moves everything one cut
back: what it shows may decide about a recipe, the test may not.

Differences are paired by unit (a user, a window, an item), with 95 % intervals of a bootstrap. A primary row fails
where its interval, corrected by Holm over all primary rows, lies wholly below -2 %; then the exit status is 1. Other
rows are shown. Half of the users, windows and items, by a hash, and other seeds of the planted worlds are looked at by
`--open` alone, which adds to `openings.md`.

The likelihood of a purchase has a bench of its own: ``python -m benchmarks.likelihood``.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
