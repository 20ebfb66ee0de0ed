"""States of jobs and attempts, which move only by transitions: values in, values out.

states.py       a job and an attempt as they are at one moment
transitions.py  what happens to them, one function for each thing that can happen
told.py         what a policy is told of a job
nodes.py        machines as they are known
usage.py        what teams have used lately
changes.py      what operators set, and what is made durable together
decided.py      what history keeps of a plan
world.py        all of them at once -> what a policy is told; a decision -> what changes
"""
