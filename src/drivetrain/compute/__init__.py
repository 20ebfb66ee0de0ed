"""Jobs -> processes on engines: who gets which accelerators when, and why.

share.py   what a member of a gang has of its node
policy/    pure: what to do, given what is
simulate/  the same policy on a virtual clock
"""
