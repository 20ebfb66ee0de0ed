"""The same policies on a virtual clock: what would happen, from files of what did.

openb.py     lists of pods and nodes as the openb traces have them
arrivals.py  what comes and goes, from a list and a seed
packing.py   what one rule of packing makes of it
training/    elastic training jobs, with the scaling that was measured of their applications
world.py     a fleet of nodes on which jobs come, run and end, and a policy that decides at each change
values.py    what comes into such a play and what comes out of it
carry.py     what is once a plan's decisions are begun
summary.py   what came of a play, as figures
philly.py    jobs of the Philly trace
history.py   what our own servers wrote down, as jobs that come and as the fleet that was there
replay.py    the policy asked again, at each moment at which a server decided something
front.py     of whom a policy is told while many wait
fifo.py      first come, first served, to be held against
"""
