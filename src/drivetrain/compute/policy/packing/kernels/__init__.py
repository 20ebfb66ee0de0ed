"""Placement as machine code: arrays in, arrays out.

state.py      what the kernels read and change, and what fits where
fragments.py  how much of what is free the typical shapes cannot use
costs.py      a file's function for each rule: what a placement costs
run.py        arrivals and departures, one after the other
"""
