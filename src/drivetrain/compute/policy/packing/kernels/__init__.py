"""Placement as machine code: arrays in, arrays out.

state.py      what the kernels read and change, and what fits where
fragments.py  how much of what is free the typical shapes cannot use
worth.py      prices, and what cores and memory add to the worth of slices
priced.py     where that falls least
costs.py      what a placement costs by each peer
run.py        arrivals and departures, one after the other
fill.py       the best slots for a slice
"""
