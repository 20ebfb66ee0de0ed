"""What ended teaches: how long jobs run, and how long they wait.

run_times.py  quantiles of run times by user, name and shape, corrected as a job runs
waiting.py    an interval for the time until a job starts, by playing the plan forward
what_if.py    what would change with other devices
"""
