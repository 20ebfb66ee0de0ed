"""The command line: one file per verb, each exporting `command`; data to stdout, all else to stderr.

group.py says what each verb is for. What they share:

main.py            errors become exit codes
group.py           the table of verbs
verbs.py           a group of commands that imports a verb's file only when it is chosen
submit_quickly.py  a plain `submit`, without what takes long to import
options.py         text of options -> values
tables.py          a head over rows, and texts that fit
progress.py        a bar for long work, or lines
errors.py          how errors look

Verbs of runs: demo.py, run.py, resize.py, report.py, runs.py, checkpoint.py, profile/, tune.py, bench/.
Verbs of data: data/.
Verbs of a cluster: server.py, submit.py, jobs.py, describe.py, logs.py, stop.py, resubmit.py, top.py, pools.py,
quota.py, budget.py, cost.py, users.py, whatif.py, simulate/.
"""
