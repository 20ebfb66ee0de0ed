"""Batches become checkpoints: a training loop that stays the user's, on one process or many, and resumes exactly.

A step's way through the room: `feed` gives microbatches, `loop` hands them out and records, `update` turns losses into
new weights, `cadence` says when `saving` writes what `state` collects. `run` is the user's
object, and `workings` joins the others behind it.

  settings.py     what a user may choose, checked
  run.py          Run: the user's object
  workings.py     what a Run is made of, put together by `Run.setup`
  fit.py          the usual loop over a Run, with evaluation, early stop, callbacks
  callbacks.py    what a user may hang into fit
  early_stop.py   when further training no longer helps
  display.py      a bar on a terminal, or a line now and then
  observer.py     the ledger of a loop that is not ours, as its owner tells it
  step_done.py    one call a step, for any loop
  lightning_callback.py, huggingface_callback.py   what those Trainers call
  session.py      whose run it is: a launcher's, torchrun's, or our own; its folder, attempt and recorder
  topology.py     rank, device, process group
  sockets.py      the connections between ranks, torn when one waits for the dead
  meeting.py      where ranks find each other, a process that outlives them
  comeback.py     what a rank does so that it, or another, can go on in the next attempt
  memory.py       the state that survivors remember, and how the others get it
  parallel.py     one model -> the same model on many ranks: which way, and what the loop asks of it
  ddp.py          all weights on every rank
  fsdp.py         a part of every weight on each
  blocks.py       which parts of a model are gathered, recomputed, compiled one at a time
  buffers.py      rank 0's buffers on every rank
  recompute.py    less memory: what a backward needs is worked out again
  compiling.py    torch.compile in place, its cache in the run's folder
  forwards.py     layers around a module's forward, its type and names kept
  precision.py    which arithmetic a forward uses
  transfer.py     numpy and CPU batches -> tensors on the device
  feed.py         any loader -> microbatches from a given step on
  position.py     which step and microbatch training is at
  profiling.py    which steps are profiled, and who asks
  loop.py         the iterator behind `run.steps`
  misuse.py       what is wrong with a loss that no step can be made of
  update.py       backward, clip, optimizer, schedule, averaging
  safety.py       what looks after a run's numbers, put together
  guard.py        the update of a step whose numbers are looked at first
  watch.py        judges each step's numbers; tells people and the ledger
  anomaly.py      what to do about a bad step, as a function
  spikes.py       which losses are out of the ordinary
  scaling.py      the factor that keeps fp16 gradients from vanishing
  kept_buffers.py buffers as they were after the last good step
  ema.py          a moving average of the weights
  randomness.py   all random number generators of a rank: seed, read, set back
  determinism.py  the same numbers each time
  cadence.py      when a checkpoint is due
  trees.py        nested state <-> plain JSON and named tensors
  state.py        everything a checkpoint must hold
  boxes.py        a live tensor, whole or sharded, as the box that this rank holds
  staging.py      memory shared with the process that writes
  checkpoint.py   write and read it, all ranks together, while training goes on
  reading.py      a checkpoint's tensors into live memory, verified on the way
  saving.py       a run's checkpoints: where to go on from, when one more is written
  exporting.py    the live weights as one file for people without Drivetrain
  format1.py      checkpoints that earlier versions wrote
  trial.py        the recipe with a few things otherwise, cut short, for `drivetrain tune`
  rivals.py       other optimizers in the place of the recipe's
  exits.py        an error of ours ends the process with its own exit code
"""

from drivetrain.core.extras import require

require("torch", extra="train")

# A missing torch must be told before it is used.
from drivetrain.train.callbacks import Callback  # noqa: E402
from drivetrain.train.early_stop import EarlyStop  # noqa: E402
from drivetrain.train.fit import Fitted, fit  # noqa: E402
from drivetrain.train.huggingface_callback import HuggingFaceCallback  # noqa: E402
from drivetrain.train.lightning_callback import LightningCallback  # noqa: E402
from drivetrain.train.run import Run  # noqa: E402
from drivetrain.train.settings import Anomaly, Checkpoint, Fsdp  # noqa: E402
from drivetrain.train.step_done import step_done  # noqa: E402

__all__ = [
    "Anomaly",
    "Callback",
    "Checkpoint",
    "EarlyStop",
    "Fitted",
    "Fsdp",
    "HuggingFaceCallback",
    "LightningCallback",
    "Run",
    "fit",
    "step_done",
]
