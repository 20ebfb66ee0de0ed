"""What people and agents may ask, as functions of a transaction; HTTP adds nothing but words.

people.py     users, teams, tokens, roles, and who may do what
jobs.py       submit, list, stop; fitting.py whether any pool can ever give what a job asks for
describing.py all that there is to tell of a job
logs.py       what ranks printed, piece by piece; following.py what many readers have not seen of it
restarts.py   when ranks were started again in place
agents.py     what agents say
snapshots.py  code, by content
arrays.py     tasks of arrays: who has which
settings.py   quotas and budgets, checked as they are written
fleet.py      where the capacity went; telling.py what runs tell of their attempts, read as seldom as may be
estimates.py  what was told of waits, and how true it came
history.py    all that ever happened
"""
