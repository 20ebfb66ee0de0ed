"""Our figures beside the peers', measured in one session; `python -m benchmarks [NAME...]`, results in RESULTS.md.

Each module here has `run() -> list[Row]`: what was measured, the figure with its spread, and the target.
"""
