"""The same policies on a virtual clock: what would happen, from files of what did.

openb.py     lists of pods and nodes as the openb traces have them
arrivals.py  what comes and goes, from a list and a seed
packing.py   what one rule of packing makes of it
training/    elastic training jobs, with the scaling that was measured of their applications
"""
