"""Jobs -> processes on engines: who gets which accelerators when, and why.

policy/    pure: what to do, given what is
simulate/  the same policy on a virtual clock
"""
