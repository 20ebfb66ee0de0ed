"""The text of events -> columns, without a Python object for each: what most blocks of a large file go through.

json.py     JSON in bytes: where a value ends, and what a number is
event.py    one event -> where its fields are
tokens.py   strings of bytes as numbers
rows.py     a block of events -> rows of integers
kernel.py   how these four are compiled
making.py   the process that does it
machine.py  what it made: kept, and loaded
fields.py   what keys name, and what becomes of it, as arrays
memory.py   what machine code reads and writes, as arrays
scanner.py  all this, as seen by Python
meanings.py tokens -> names, threads, texts and collectives
blocks.py   the text of a block -> its columns

A block in which anything is unusual is refused and decoded as all blocks of a small file are: that way is the
reference, and whatever is accepted gives the same columns.
"""
