"""What to do, given what is: pure functions of frozen values, the same for the controller, the simulator and estimates.

values.py    what a policy is told, and what it answers
plan.py      `plan`: it joins the questions
possible.py  what pools could give were they empty: a request past that is refused, with the nearest
fairness.py  in which order those that wait are looked at
quota.py     what teams own, lend and borrow
budget.py    what teams may still spend
pools.py     which pool suits a job
place.py     a gang's places: all of them or none
packing/     which node and which of its devices a placement gets; tight.py what a share's place loses
preempt.py   whom to ask to save and leave
resize.py    which elastic jobs give nodes, and which get more; grow.py gives them
elastic/     how many devices an elastic job gets
backfill.py  when the first in line can start, and what is kept for it
ends.py      when jobs will have ended
stops.py     who is over its time, or idle
health.py    which nodes failed too often
reasons.py   why, in plain words
state.py, fleet.py, shelves.py, round.py   while a plan is made: all that is, a pool's nodes, and one pass over the line
"""
