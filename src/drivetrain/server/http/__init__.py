"""HTTP: thin routes over services.

app.py      the application, and what all routes share
state.py    what all routes share of one server
who.py      who asks
answers.py  what routes answer
together.py questions that come at once share the way to the database
bodies.py   what people's requests carry
limits.py   how much anybody may ask
patience.py how long anybody may take to ask it
people.py   users and tokens
jobs.py     submit, list, describe, logs, stop
code.py     snapshots
fleet.py    pools, nodes, quotas
history.py  all that ever happened
foresee.py  estimates of waits, and what if
agents.py   for agents
"""

from drivetrain.server.http.app import make_app

__all__ = ["make_app"]
