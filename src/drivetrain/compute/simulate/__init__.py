"""The same policies on a virtual clock: what would happen, from files of what did.

openb.py    lists of pods and nodes as the openb traces have them
packing.py  pods drawn from a list until the demand is reached, placed one at a time, by one rule or several
training/   elastic training jobs, with the scaling that was measured of their applications
"""
