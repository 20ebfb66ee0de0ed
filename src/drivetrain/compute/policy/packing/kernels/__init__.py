"""Placement as machine code: arrays in, arrays out.

state.py      what the kernels read and change, and what fits where
fragments.py  how much of what is free the typical shapes cannot use
worth.py      what the free part of a node is worth
costs.py      what a placement costs by each rule
run.py        arrivals and departures, one after the other
fill.py       the best slots for a slice
"""
