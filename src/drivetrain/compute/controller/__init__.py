"""States of jobs and attempts, which move only by transitions: values in, values out.

states.py       a job and an attempt as they are at one moment
transitions.py  what happens to them, one function for each thing that can happen
told.py         what a policy is told of a job
nodes.py        machines as they are known
free.py         what is free of them, kept up to date
line.py         jobs that wait, by kind
expected.py     how long unfinished jobs are expected to run
usage.py        what teams have used lately
spending.py     what teams have spent of their budgets
changes.py      what operators set, and what is made durable together
decided.py      what history keeps of a plan
for_ledger.py   what the fleet's ledger is told of what history keeps
world.py        all of them at once -> what a policy is told; a decision -> what changes
"""
