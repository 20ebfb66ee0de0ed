"""What to do, given what is: pure functions of frozen values, the same for the controller, the simulator and estimates.

values.py    what a policy is told, and what it answers
plan.py      `plan`: it joins the questions
possible.py  what pools could give were they empty: a request past that is refused, with the nearest
fairness.py  in which order those that wait are looked at
quota.py     what teams own, lend and borrow
place.py     a gang's places: all of them or none
preempt.py   whom to ask to save and leave
backfill.py  when the first in line can start, and what is kept for it
ends.py      when jobs will have ended
reasons.py   why, in plain words
fleet.py, state.py, round.py   the nodes, all that is, and one pass over the line, while a plan is made
packing/    which node and which of its devices a placement gets
elastic/    how many devices an elastic job gets
"""
