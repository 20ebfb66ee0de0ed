"""The command line: one file per verb, each exporting `command`; data to stdout, all else to stderr.

main.py        errors become exit codes
group.py       the table of verbs
submit_quickly.py  a plain `submit`, without what takes long to import
demo.py        a drive log becomes a trained model and a report
run.py         start ranks, watch, restart
report.py      where the device time of a run or a timeline went
runs.py        list runs
checkpoint.py  list, verify and export what a run has saved
resize.py      another number of ranks for a run that goes on
profile/       profile a run while it runs, and say what traces tell
tune.py        which optimisations to adopt
data/          ingest, check and show logs and data sets
options.py     text of options -> values
progress.py    a bar for long work
errors.py      how errors look
"""
