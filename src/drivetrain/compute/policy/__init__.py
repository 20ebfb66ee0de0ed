"""What to do, given what is: pure functions of frozen values, the same for the controller, the simulator and estimates.

values.py   what a policy is told, and what it answers
packing/    which node and which of its devices a placement gets
elastic/    how many devices an elastic job gets
"""
