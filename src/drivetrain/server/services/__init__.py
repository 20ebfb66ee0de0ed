"""What people and agents may ask, as functions of a transaction; HTTP adds nothing but words.

people.py     users, teams, tokens, roles, and who may do what
jobs.py       submit, list, stop
logs.py       what ranks printed, piece by piece
agents.py     what agents say
snapshots.py  code, by content
arrays.py     tasks of arrays: who has which
fleet.py      where the capacity went
estimates.py  what was told of waits, and how true it came
history.py    all that ever happened
"""
