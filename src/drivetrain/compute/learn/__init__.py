"""What ended teaches: how long jobs run, and how long they wait.

run_times.py  quantiles of run times by user, name and shape, corrected as a job runs
draws.py      run times as they may turn out in one play
line_rate.py  a coarse wait: the work before a job by the rate at which devices become free
waiting.py    an interval for the time until a job starts, by playing the plan forward
what_if.py    what would change with other devices
"""
