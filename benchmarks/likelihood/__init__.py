# SPDX-License-Identifier: Apache-2.0
"""Judge the purchase likelihood of strangers, newcomers and known users, beside plain rules and peers.

Protocol. Eight windows of seven days, the newest of the data. Nothing is chosen or tuned on them: `--validation` moves
everything eight windows back, and only what it shows may decide about the model. Every window has fits of its own, on
the rows before its start, as a shop that fits after each drop would have; so have the rules and the peers. The
catalogue of a window is what was bought before it. "Predicted" is the sum of probabilities, "observed" the number of
pairs with a purchase in the window.

Strangers: 25 % of the users are removed altogether from what is fitted. Those of them who were seen before the window's
start are judged with nothing known but, where the data have them, their attributes (three draws). The plain rule beside
it: the share of the users seen before who bought the item in each of the four windows before, shrunk towards the
average item by 200 users. The rule with attributes multiplies it, for each attribute, by how much more often than
others the users of that value bought the item, both with 20 average users more.

Newcomers: users whose first event lies in the window and is no purchase. They are judged right after it, through the
code that serves; purchases within seven days after it count. Sets without events of other types have none.

Known users: all pairs of the users and items seen before. Peers have the same windows, rows and calibration. "Ours
without attributes" is fitted as ours is, on a history whose users have none. Intervals are 95 % of 1,000 bootstrap
samples of whole users. Seeds: 1 to 3 for draws of strangers, 2 for the bootstrap.

Customers: all users seen before a window, and what they buy in it at all: whether, on how many days, for how much. The
plain rules beside it: RFM, the share (and the days, and the value) of a cell of recency, frequency and money (thirds of
the users who have bought; all others are one cell) in the four windows before, with 20 average users added; and BG/NBD,
its four parameters fitted on each window's past (Fader, Hardie and Lee, "Counting your customers" the easy way: an
alternative to the Pareto/NBD model, Marketing Science 24, 2005), for users who have bought; others have RFM's numbers.

The demo's households have demographics (`make demo` downloads them). Another set is a folder with interactions.csv,
items.csv and perhaps users.csv, plain or .gz, that LIKELIHOOD_DATA or the first argument names. In a planted world
(`demographics` of benchmarks.questions.planted, by `--seed`) age and children decide what is bought. There, attributes
have to lower the log-loss of known users and of strangers, with an interval below 0.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
