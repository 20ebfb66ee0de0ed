"""What is to be expected: how long a job will wait, and what more devices would change.

Plays take processor time, so they run in a process apart, which starts when somebody asks and ends when nobody does.

present.py    what the database knows now, as values
answers.py    values -> an answer, in a bounded time
question.py   what it is asked, and what it says
child.py      the process that plays: a question a line, an answer a line
words.py      an answer in words
foresight.py  the same, seen from the server: one question at a time, answers kept for some seconds
"""

from drivetrain.server.foresee.foresight import Foresight

__all__ = ["Foresight"]
