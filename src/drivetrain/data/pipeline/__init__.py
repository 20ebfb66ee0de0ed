"""Pipelines: `source | op | op + op | sink`, a value; on threads, processes or a Ray cluster it gives the same bytes.

The life of a value, each file one idea:
  description.py   Pipeline, Step, Op, Source, Sink: what to do, frozen, nothing opened
  item.py          what flows: items with parts and columns; an entry is one place of the source and what became of it
  code.py          the version of an op's code; plan.py addresses of steps from it, and which chunks have to be made
  apply.py         one entry through one step, pure; the heart that all executors share
  wire.py          entries as bytes; chunks.py keeps them on disk, whole or not visible
  budget.py        how many bytes may be under way; local.py queues and threads; children.py processes
  ray_executor.py  the same on a Ray cluster; cluster.py joins or starts one
  tally.py         what became of the items; stages.py where the time went, and one sentence on what to change
  run.py           joins them: `run(pipeline, How(...))`
  frames.py        camera frames of a log as a source; shards.py a data set as the end

Ops are in `data/ops/`, a file each.
"""

from drivetrain.data.pipeline.description import Op, Opened, Pipeline, Sink, Source, Step
from drivetrain.data.pipeline.frames import Frames
from drivetrain.data.pipeline.item import Bad, Entry, Item, Unread
from drivetrain.data.pipeline.run import How, Outcome, run
from drivetrain.data.pipeline.shards import Shards
from drivetrain.data.pipeline.stages import Stage, StageReport, stage_table
from drivetrain.data.pipeline.tally import Tally

__all__ = [
    "Bad",
    "Entry",
    "Frames",
    "How",
    "Item",
    "Op",
    "Opened",
    "Outcome",
    "Pipeline",
    "Shards",
    "Sink",
    "Source",
    "Stage",
    "StageReport",
    "Step",
    "Tally",
    "Unread",
    "run",
    "stage_table",
]
