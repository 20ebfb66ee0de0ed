"""One process on each node of an attempt: code, ranks, lease, logs; it goes on when the server is away.

assignment.py  what an agent is told
claim.py       that it lives, as a lock which the kernel keeps
begun.py       why one that is gone never was
client.py      what it says to the server
beats.py       says that it lives and how far it is, hears what it should do; in a thread of its own
shipping.py    sends what ranks write to a server that does not see it, in order and only once
use.py         whether a job uses what it holds
leftovers.py   what a job's processes leave running
tasks.py       pulls tasks of an array and runs them
environment.py  what a lock file asks for, made once a node
warm.py        has all imported that agents need, and forks them
main.py        how it begins
work.py        from the assignment to the last word
"""
