"""Starts the ranks of a run on one node or several, watches, restarts in place; knows no torch.

Life of a run: a `LaunchSpec` (what to start) and a run folder -> requests, one per rank -> the nursery forks
them -> an attempt: output shown and kept, deaths and hangs noticed -> the policy judges its end -> another attempt, in
which processes that can go on do, or the `Outcome`. How quick that is: benchmarks/recovery.py.

  spec.py             what to start, each rank's environment, the exact requests (pure)
  program.py          a command understood: a script or module to fork, or a program to execute
  launcher.py         one selector for all that can happen; attempt after attempt
  node.py             the ranks' processes on this machine, those that outlive an attempt among them
  claim.py            who may run a run, and which attempt comes next
  attempt.py          one attempt: who lives, who was told to end, how each ended
  layout.py           which node has which ranks, which process becomes which rank (pure)
  elastic.py          how many ranks it goes on with, and where they leave for another number (pure)
  resize.py           how a person asks for another number of ranks
  profile_request.py  how a person asks ranks to profile their next steps
  devices.py          which ranks hold devices
  outcome.py          how a run ended
  policy.py           which rank failed first, whether to try again, the words for it (pure)
  lost.py             whether an error only says that another rank is gone (pure)
  watch.py            how far ranks are and when they were last heard of, from their journals; what their processes do
  blame.py            which of the ranks that wait is the one the others wait for
  hang.py             which rank hangs (pure); inquiry.py what is done before it is killed
  output.py           pipes -> log files and prefixed lines
  nodes.py            several machines' ranks as one; remote_node.py another machine's, seen from the leader
  follower.py         the launcher there; local.py what this machine has to give
  door.py             where launchers find each other; line.py what they say, once both have proved that they may
  together.py         leads a run or follows, and leads on when the leader is lost
  signals.py          Ctrl-C as bytes on a descriptor
  nursery_process.py  the launcher's side of the nursery
  wire.py             what the two say to each other; descriptors.py those that go with it
  imports.py          whether a program will want torch
  spares.py           a nursery in waiting, for programs that want no torch
  nursery.py          the process that imports torch once and forks the ranks
  child.py            a rank's process between the fork and its end
  prctl.py            what the kernel does with a process when another one ends
  control.py          a rank's line to its launcher: leave an attempt, come back in the next one
"""

from __future__ import annotations

from drivetrain.core.lazily import lazily

TYPE_CHECKING = False
if TYPE_CHECKING:
    from drivetrain.launch.claim import is_claimed as is_claimed
    from drivetrain.launch.control import Control as Control
    from drivetrain.launch.control import Stay as Stay
    from drivetrain.launch.control import current_control as current_control
    from drivetrain.launch.elastic import parse_range as parse_range
    from drivetrain.launch.launcher import Launcher as Launcher
    from drivetrain.launch.outcome import Outcome as Outcome
    from drivetrain.launch.output import Output as Output
    from drivetrain.launch.output import Terminal as Terminal
    from drivetrain.launch.profile_request import asked_profile as asked_profile
    from drivetrain.launch.profile_request import asking_for_profile as asking_for_profile
    from drivetrain.launch.profile_request import is_asked as is_asked
    from drivetrain.launch.profile_request import reachable_step as reachable_step
    from drivetrain.launch.resize import ask_for as ask_for
    from drivetrain.launch.spec import LaunchSpec as LaunchSpec
    from drivetrain.launch.spec import RankRequest as RankRequest
    from drivetrain.launch.spec import rank_environment as rank_environment
    from drivetrain.launch.spec import requests_text as requests_text
    from drivetrain.launch.together import run_together as run_together
    from drivetrain.launch.watch import Progress as Progress
    from drivetrain.launch.watch import Watch as Watch

__getattr__ = lazily(
    __name__,
    {
        "is_claimed": "claim",
        "Control": "control",
        "Stay": "control",
        "current_control": "control",
        "parse_range": "elastic",
        "Launcher": "launcher",
        "Outcome": "outcome",
        "Output": "output",
        "Terminal": "output",
        "asked_profile": "profile_request",
        "asking_for_profile": "profile_request",
        "is_asked": "profile_request",
        "reachable_step": "profile_request",
        "ask_for": "resize",
        "LaunchSpec": "spec",
        "RankRequest": "spec",
        "rank_environment": "spec",
        "requests_text": "spec",
        "run_together": "together",
        "Progress": "watch",
        "Watch": "watch",
    },
)

__all__ = [
    "Control",
    "LaunchSpec",
    "Launcher",
    "Outcome",
    "Output",
    "Progress",
    "RankRequest",
    "Stay",
    "Terminal",
    "Watch",
    "ask_for",
    "asked_profile",
    "asking_for_profile",
    "current_control",
    "is_asked",
    "is_claimed",
    "parse_range",
    "rank_environment",
    "reachable_step",
    "requests_text",
    "run_together",
]
