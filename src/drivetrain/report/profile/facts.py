"""What rules ask of one process's trace: plain numbers, all of them means per step unless they say otherwise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Named:
    """Something with a name that took time.

    Attributes:
      name: of a kernel, operator, call or collective.
      count: how often, in all steps together.
      time_ns: in all, in all steps together.
      size_bytes: moved or held, 0 where that makes no sense.
    """

    name: str
    count: int
    time_ns: int
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Kernels:
    """The many small things that a device did.

    Attributes:
      num_per_step: how many kernels.
      median_ns: half of them are shorter.
      short_share: 0 to 1: of them, shorter than a launch takes on the host.
      queue_median_ns: from the end of a launch to the begin of its kernel, at the median; NONE-like -1 if unknown.
    """

    num_per_step: float = 0.0
    median_ns: int = 0
    short_share: float = 0.0
    queue_median_ns: int = -1


@dataclass(frozen=True, slots=True)
class Slow:
    """In what a rank is slower than the others, beyond chance.

    Attributes:
      part: of a step: compute, host, communication.
      excess_ns: longer than the others' median, at the median of the steps.
      chance: that some rank looks so without being slower.
    """

    part: str
    excess_ns: int
    chance: float


@dataclass(frozen=True, slots=True)
class Memory:
    """What a device's memory held at its fullest.

    Attributes:
      peak_bytes: allocated at the peak.
      capacity_bytes: of the device; 0 where the trace does not say.
      owners: what held most of it, `size_bytes` each, largest first.
    """

    peak_bytes: int
    capacity_bytes: int = 0
    owners: tuple[Named, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """One process, for the rules.

    Attributes:
      label: `rank 3`, or the file's name.
      device: name of the accelerator; empty without one, and then idle times are of the host's threads all together.
      num_steps: how many the means are of; 1 where the trace has no steps and all of it is taken as one.
      step_ns: length of one, from begin to begin of the next where that follows at once.
      step_lengths_ns: each.
      step_names: each.
      step_waits_ns: `host_ns` and `other_ns` of each, together.
      compute_ns, exposed_comm_ns, exposed_copy_ns, idle_ns: of the device, disjoint; they sum to `step_ns`.
      loader_ns, sync_ns, host_ns, other_ns: causes of `idle_ns`; see `profile.analyse.idle_by_host`.
      is_host_traced: whether there is any operator or call of the host.
      loader_wait_ns: the host inside the loader, whatever the device did.
      loader: name of the loader's call; empty without one.
      comm_ns: communication, exposed or not.
      collectives: by time.
      pageable: copies from or to pageable memory, all steps together; None without any.
      exposed_pageable_ns: of `exposed_copy_ns`, by those.
      syncs: what made the host wait for the device, by time.
      kernels: their number and lengths.
      matrix_ns: kernels that multiply matrices or convolve.
      plain_matrix_ns: of those, not on matrix units.
      has_matrix_units: the device has units for products of small matrices (tensor cores).
      late_ns: how long all other ranks wait for this one at collectives; 0 for a single rank.
      slowest_step_ns: mean step of the rank whose steps are longest; 0 for a single rank.
      wait_ns: how long it waits for others in them.
      slow: None where it is no slower than others, or there are none.
      memory: None where the trace does not record it.
      mfu: 0 to 1, None where FLOPs are unknown.
      host_path: what the host does on the critical path, by time; all steps together.
      top_kernels: by time.
      top_operators: by their own time.
    """

    label: str
    device: str
    num_steps: int
    step_ns: int
    step_lengths_ns: tuple[int, ...]
    step_names: tuple[str, ...]
    step_waits_ns: tuple[int, ...]
    compute_ns: int
    exposed_comm_ns: int
    exposed_copy_ns: int
    idle_ns: int
    loader_ns: int = 0
    sync_ns: int = 0
    host_ns: int = 0
    other_ns: int = 0
    is_host_traced: bool = True
    loader_wait_ns: int = 0
    loader: str = ""
    comm_ns: int = 0
    collectives: tuple[Named, ...] = ()
    pageable: Named | None = None
    exposed_pageable_ns: int = 0
    syncs: tuple[Named, ...] = ()
    kernels: Kernels = Kernels()
    matrix_ns: int = 0
    plain_matrix_ns: int = 0
    has_matrix_units: bool = False
    late_ns: int = 0
    slowest_step_ns: int = 0
    wait_ns: int = 0
    slow: Slow | None = None
    memory: Memory | None = None
    mfu: float | None = None
    host_path: tuple[Named, ...] = ()
    top_kernels: tuple[Named, ...] = ()
    top_operators: tuple[Named, ...] = ()
