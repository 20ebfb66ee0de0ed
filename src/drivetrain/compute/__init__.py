"""Jobs -> processes on engines: who gets which accelerators when, and why.

job.py       what somebody asks to be run
share.py     what a member of a gang has of its node
policy/      pure: what to do, given what is
learn/       what ended teaches: run times, and waits
controller/  states of jobs and attempts, values in, values out
engines/     where agents are started
agent/       one process on each node of an attempt
snapshot/    the code that a job travels with
simulate/    the same controller and policy on a virtual clock
compiled.py  numba's compiler for numeric kernels
"""
