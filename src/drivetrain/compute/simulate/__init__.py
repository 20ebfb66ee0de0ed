"""The same policies on a virtual clock: what would happen, from files of what did.

play.py      jobs through the controller itself: what a site would have made of them, as `drivetrain simulate` says it
site.py      nodes and settings that a play is played on, and jobs as somebody would have submitted them
work.py      how far each job really is
taken.py     when owners of spot pools take their nodes back
summary.py   what came of a play, as figures
philly.py    jobs of the Philly trace
pods.py      jobs of an openb list, and its nodes
history.py   what our own servers wrote down, as jobs that come and as the site that was there
replay.py    the policy asked again, at each moment at which a server decided something
fifo.py      first come, first served, to be held against

world.py     a fleet from some moment on, played forward often: what estimates of waiting and what-if ask
front.py     of whom a policy is told there while many wait
values.py    what comes into such plays and what comes out of them
carry.py     what is once a plan's decisions are begun

openb.py     lists of pods and nodes as the openb traces have them
arrivals.py  what comes and goes, from a list and a seed
packing.py   what one rule of packing makes of it
training/    elastic training jobs, with the scaling that was measured of their applications
"""
