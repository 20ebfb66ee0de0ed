"""The parts of the loader: positions become samples, samples become batches, and batches go where they are used.

Which sample is where, all pure:
  blocks.py      block shuffle, beside the full shuffle of order.py
  mix.py         several sources in one sequence at exact ratios
  groups.py      slices' weights and data sets' ratios -> sources of such a mix
  sequence.py    positions -> places of samples, over all groups
How it becomes part of a batch:
  filling.py     one sample: read, decoded, augmented, put in; bad.py counts what cannot be read
  decoding.py    bytes -> pixels in the batch's memory, resized on the way; augmenting.py the seam to augmentation
  draft.py       a batch in the making; memory.py what it lies in, used again
  batches.py     made ahead by threads (crew.py), given in order; tally.py where the time goes
  device.py      batches on a device
Where bytes come from:
  shards.py      folders; far.py buckets, through cache.py
doctor.py        is the loader what training waits for, and what to change
"""
