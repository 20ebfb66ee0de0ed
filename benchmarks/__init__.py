"""Our figures beside the peers', measured in one session; `python -m benchmarks [NAME...]`, results in RESULTS.md.

Each module here with `bench_` functions is a suite of `drivetrain bench run`; `rows.py` says which of their figures the
page shows, what each has to reach, and who the peers are; `results/` is what was measured; `notes/` why it is so.
"""
