"""A real Slurm of four nodes on this machine, in a folder of its own: `python -m tests.slurm_cluster up|down FOLDER`.

Its daemons run as whoever starts it, with a munge of its own, on free ports, and touch nothing outside the folder.
"""

from __future__ import annotations

import getpass
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

NODES = ("n1", "n2", "n3", "n4")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
_PATIENCE_S = 90.0
_ANSWERS = ("idle", "mix", "alloc", "comp")  # of a node that answers
_CONFIG = """\
ClusterName=drivetrain
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_min_interval=20000,batch_sched_delay=0
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=10
InactiveLimit=0
KillWait=3
MinJobAge=60
BatchStartTimeout=1
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
SwitchType=switch/none
{nodes}
PartitionName=main Nodes={names} Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:8
"""


class SlurmCluster:
    """Daemons in a folder; `up` twice or `down` twice does no more than once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    @property
    def env(self) -> Mapping[str, str]:
        """Variables with which Slurm's commands find it."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def up(self) -> None:
        """Start all that does not run, and wait until nodes are idle. Raises: RuntimeError: one does not come up."""
        missing = [name for name in PROGRAMS if shutil.which(name) is None]
        if missing:
            raise RuntimeError(f"{', '.join(missing)} is not installed: apt-get install slurm-wlm munge")
        if not (self.folder / "slurm.conf").exists():
            self._write()
        self.start()
        self._wait(self.is_whole, "the nodes")

    def start(self) -> None:
        """Start all that does not run; it works a while later."""
        self._start_munge()
        self.start_control()
        for node in NODES:
            self.start_node(node)

    def is_whole(self) -> bool:
        """Whether all nodes do; those that Slurm took out of service, as after a lost task, are taken back."""
        states = self._states()
        if any(state.rstrip("*").startswith(("drain", "drng", "down")) for state in states):
            with suppress(RuntimeError):
                self._run(["scontrol", "update", f"NodeName={','.join(NODES)}", "State=RESUME"])
        return sum(state in _ANSWERS for state in states) == len(NODES)

    def tend(self) -> None:
        """What operators do: take nodes back that Slurm took out, and have it ask them what they run.

        Else it does so each minute; if it was killed it may not know of ends.
        """
        self.is_whole()
        with suppress(RuntimeError):
            self._run(["scontrol", "reconfigure"])

    def cancel(self) -> None:
        """End all jobs, those that have not begun among them."""
        with suppress(RuntimeError):
            self._run(["scancel", f"--user={getpass.getuser()}"])

    def down(self) -> None:
        """End all that runs; what does not end by itself is killed."""
        for name in (*(f"slurmd.{node}" for node in NODES), "slurmctld", "munge/munged"):
            try:
                self.kill(name, signal.SIGTERM)
            except RuntimeError:
                self.kill(name)

    def start_control(self) -> None:
        """Start slurmctld."""
        if self.pid("slurmctld") is None:
            self._run(["slurmctld", "-f", str(self.folder / "slurm.conf")])

    def start_node(self, node: str) -> None:
        """Start the slurmd of a node."""
        if self.pid(f"slurmd.{node}") is None:
            self._run(["slurmd", "-f", str(self.folder / "slurm.conf"), "-N", node])

    def kill(self, name: str, signum: int = signal.SIGKILL) -> None:
        """End a daemon by name: `slurmctld`, `slurmd.n1`."""
        pid = self.pid(name)
        if pid is None:
            return
        os.kill(pid, signum)
        self._wait(lambda: self.pid(name) is None, f"the end of {name}")

    def pid(self, name: str) -> int | None:
        """The process of a daemon; None where it does not run."""
        with suppress(OSError, ValueError):
            pid = int((self.folder / f"{name}.pid").read_text())
            program = name.partition(".")[0].rpartition("/")[2]
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if program.encode() in command and b"Z" not in _state(pid):
                return pid
        return None

    def _write(self) -> None:
        for name in ("munge", "state", *(f"spool.{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.folder / "munge").chmod(0o711)
        key = self.folder / "munge" / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        control, *ports = _free_ports(1 + len(NODES))
        host = platform.node()
        nodes = "\n".join(
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={os.cpu_count()} RealMemory=1000"
            for node, port in zip(NODES, ports, strict=True)
        )
        text = _CONFIG.format(
            folder=self.folder, host=host, user=getpass.getuser(), control=control, nodes=nodes, names=",".join(NODES)
        )
        (self.folder / "slurm.conf").write_text(text)

    def _start_munge(self) -> None:
        if self.pid("munge/munged") is not None:
            return
        place = self.folder / "munge"
        files = {
            "key-file": "key",
            "socket": "socket",
            "pid-file": "munged.pid",
            "log-file": "log",
            "seed-file": "seed",
        }
        self._run(["munged", "--force", *(f"--{option}={place / name}" for option, name in files.items())])

    def _states(self) -> list[str]:
        try:
            return self._run(["sinfo", "--noheader", "--Node", "--format=%t"]).split()
        except RuntimeError:
            return []

    def _run(self, arguments: list[str]) -> str:
        done = subprocess.run(
            arguments, capture_output=True, text=True, env={**os.environ, **self.env}, timeout=_PATIENCE_S, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def _wait(self, is_so: Callable[[], bool], what: str) -> None:
        until_s = time.monotonic() + _PATIENCE_S
        while not is_so():
            if time.monotonic() > until_s:
                raise RuntimeError(f"waited {_PATIENCE_S:g} s for {what}; see {self.folder}/*.log")
            time.sleep(0.05)


def _state(pid: int) -> bytes:
    return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def main(verb: str, folder: str) -> None:
    """Start or end one, and say how to use it."""
    cluster = SlurmCluster(Path(folder))
    if verb == "up":
        cluster.up()
        print(f"export SLURM_CONF={cluster.env['SLURM_CONF']}")
    else:
        cluster.down()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
