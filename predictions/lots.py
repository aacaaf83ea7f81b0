"""Two lots choose what operators label, whatever it looks like, so that accuracy can be estimated from it.

The even one chooses every drawing as often. The uneven one favours those that are misread most, whose labels
tell most; inside each of its groups it is even. A row's `lottery`, drawn when it is logged, decides both: the
uneven lot begins where the even one ends.
"""

RANDOM_SAMPLE = 0.05  # the even lot's share of all rows
# The uneven lot's shares: of rows that are in doubt, because the visitor contradicts, or said nothing and the
# model is not sure; and of others whose visitor said nothing. What the visitor confirmed is nearly all right.
SURE_FROM = 0.95
DOUBTFUL_SHARE, UNCLAIMED_SHARE = 0.22, 0.04

# One row in so many that the queue hands out comes from each lot.
QUEUE_ROWS_PER_RANDOM_ROW = 12
QUEUE_ROWS_PER_UNEVEN_ROW = 6
