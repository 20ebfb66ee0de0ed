"""The control plane: a database, a controller that works on it, and HTTP for people, commands and agents.

Life of a request: HTTP -> a service function in one transaction, which at most inserts rows and leaves a message ->
the controller takes messages in order, asks the policy, commits what changes, and only then asks engines.

A server:
serve.py        one process: opens what it needs, works, answers
pools.py        `server.toml`, and which engine each pool has; kept_pools.py what the database knows of that
database/       tables, opened by URL
services/       what people and agents may ask, a file each
http/           the application: routes, who asks, limits
keys.py         tokens of people and of attempts
foresee/        waits and what-if, played in a process apart
repeating.py    what is done beside answering: bookkeeping.py closes pages of the fleet's books, sweeping.py removes
                what jobs leave on the disk, idle.py ends a server that nobody needs any more
steady.py       its clock
announced.py    it says that it comes, and that it is there; what commands started makes way

Its controller, of which one works of all servers':
worker.py       messages in, decisions made durable, and only then engines asked
lock.py         which one works
loading.py      what the database knows -> its world
asking.py       what is asked of engines; watching.py what they see; endings.py how they ended what nobody had asked to

Who asks a server:
client.py       what commands say to one: that of DRIVETRAIN_SERVER, of this machine, or one started for it
here.py         servers of this machine
addresses.py    names that people write, as parts of addresses
submitting.py   a job and the code of a folder -> a job of a server
"""
