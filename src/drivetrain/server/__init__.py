"""The control plane: a database, a controller that works on it, and HTTP for people, commands and agents.

Life of a request: HTTP -> a service function in one transaction, which at most inserts rows and leaves a message ->
the controller takes messages in order, asks the policy, commits what changes, and only then asks engines.

database/  tables, opened by URL
services/  what people and agents may ask, a file each
worker.py  the controller at work: one of all servers at a time
idle.py    the end of a server that nobody needs any more
foresee/   waits and what-if, played in a process apart
http/      the application: routes, who asks, limits
"""
