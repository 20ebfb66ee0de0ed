"""The inner loops of the elastic policies, compiled at first use and kept on disk; this file alone imports no compiler.

step.py     step time and the best batch at a size
fitting.py  a speed fitted to what was measured
sharing.py  GPUs shared out by what each size is worth
ahead.py    a rule played ahead in a fluid model
"""

NUM_PARAMETERS = 7
"""Of a speed."""

TINY = 1e-8
"""The least time, in seconds, and the slack of rounding."""

ELASTIC, IN_TURN = 0, 1
"""Rules: shared out by (time to the end) ^ -exponent, and served in turn with a thrift; see `sharing.py`."""
