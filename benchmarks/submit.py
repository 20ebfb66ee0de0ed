"""From `drivetrain submit` to the first line that the user's process prints: on this machine, and on a real Slurm.

The clock runs from before the command's process is started to the first byte in the log of rank 0; each job is
submitted when the one before has ended. The server runs already; code is unchanged from the second sample on, and
Python's modules are compiled, as pip leaves them. Slurm has four nodes on this machine; beside it, `sbatch` alone with
a script that has `srun` print a line, and with one that prints it itself. Idle memory is the server's resident size
before the first job; the answers are those of 200 clients that ask for a job each second, for ten seconds: ten for each
of twenty jobs. As many follow the logs of twenty jobs that print nothing, while one more asks for a job twenty times a
second.
"""

from __future__ import annotations

import compileall
import http.client
import os
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

NUM_SAMPLES = 3
NUM_CORES = 0
LIMIT_S = 300
NUM_JOBS = 7
NUM_MOMENTS = 16
NUM_CLIENTS, NUM_ASKED_FOR, ASKING_S = 200, 20, 10.0
_COMMAND = Path(__file__).resolve().parents[1] / "bin" / "drivetrain"  # as people have it; `-m` takes longer
_PATIENCE_S = 30.0
_BETWEEN_S = 0.05
_SAME_START_S = 0.5
_SERVER_TOML = '[[pools]]\nname = "local"\n'
_SLURM_TOML = '[[pools]]\nname = "slurm"\nengine = "slurm"\npartition = "main"\n'


def bench_local(command=("python", "sh")) -> dict[str, float]:
    """On the local engine: a Python script, and a shell's echo."""
    words = ["python", "hello.py"] if command == "python" else ["sh", "-c", "echo hello"]
    with _server(_SERVER_TOML, {}) as (home, env):
        resident_bytes = _resident_bytes(home)
        times_s = sorted(_submit(home, env, words, "local") for _ in range(NUM_JOBS))
    return {"first_line_s": times_s[len(times_s) // 2], "slowest_s": times_s[-1], "idle_bytes": resident_bytes}


def bench_slurm() -> dict[str, float]:
    """On Slurm, beside plain `sbatch`: the means over moments of a second.

    Slurm starts batch jobs once a second. What begins when the other has just ended would begin at the same moment of
    that second each time; so all three begin at the same ones, which are spread over it evenly. What comes too late for
    a start waits for the next: with so many moments, one more or less that does is 63 ms of the mean. The two parts of
    what is added have no such grain: how much later `sbatch` is called, and the line comes where both had one start.
    """
    from tests.slurm_cluster import SlurmCluster

    cluster = SlurmCluster(Path("slurm").absolute())
    cluster.up()
    try:
        with _server(_SLURM_TOML, _telling(dict(cluster.env))) as (home, env):
            _at(home, env, 0.0)  # nodes have their first step to learn, and code is sent
            offset_s = time.time() % 1 / NUM_MOMENTS
            times = [_at(home, env, offset_s + number / NUM_MOMENTS) for number in range(NUM_MOMENTS)]
    finally:
        cluster.down()
    script_s, step_s, ours_s = (statistics.fmean(took.took_s for took in each) for each in zip(*times, strict=True))
    called_s = statistics.fmean(ours.called_s - step.called_s for _, step, ours in times)
    later_s = [ours.took_s - step.took_s for _, step, ours in times]
    begun_s = statistics.median(each for each in later_s if each < _SAME_START_S)
    return {
        "first_line_s": ours_s,
        "sbatch_s": step_s,
        "sbatch_script_s": script_s,
        "added_s": ours_s - step_s,
        "added_to_script_s": ours_s - script_s,
        "called_later_s": called_s,
        "line_later_s": begun_s,
        "added_by_parts_s": called_s + begun_s,
    }


class Took(NamedTuple):
    """Seconds from the beginning to the first line, and to the call of `sbatch`."""

    took_s: float
    called_s: float


def _at(home: Path, env: dict[str, str], part_of_a_second: float) -> tuple[Took, Took, Took]:
    """Of a script, of a script's step, and of `drivetrain submit`, all begun at the same part of a second."""

    def timed(run: Callable[[], float]) -> Took:
        time.sleep((part_of_a_second - time.time()) % 1)
        begun_s = time.time()
        took_s = run()
        return Took(took_s, float(Path("called").read_text()) - begun_s)

    return (
        timed(lambda: _sbatch(env, "echo hello")),
        timed(lambda: _sbatch(env, "exec srun sh -c 'echo hello'")),
        timed(lambda: _submit(home, env, ["sh", "-c", "echo hello"], "slurm")),
    )


def _telling(env: dict[str, str]) -> dict[str, str]:
    """An environment in which `sbatch` says when it is called."""
    real = shutil.which("sbatch", path=env.get("PATH"))
    shim = Path("bin/sbatch").absolute()
    shim.parent.mkdir(exist_ok=True)
    shim.write_text(f'#!/bin/bash\necho $EPOCHREALTIME > {Path("called").absolute()}\nexec {real} "$@"\n')
    shim.chmod(0o755)
    return {**env, "PATH": f"{shim.parent}:{env.get('PATH') or os.environ['PATH']}"}


def bench_polling() -> dict[str, float]:
    """How quickly the server answers while many ask."""
    from drivetrain.server.client import Client

    with _server(_SERVER_TOML, {}) as (home, env):
        for _ in range(NUM_ASKED_FOR):
            _submit(home, env, ["sh", "-c", "echo hello"], "local")
        told = _told(home)
        jobs = [job["id"] for job in Client(told["url"], told["token"]).ask("GET", "/api/jobs")]
        times_s: list[float] = []
        asking = [(told, jobs[number % NUM_ASKED_FOR], times_s, number) for number in range(NUM_CLIENTS)]
        threads = [threading.Thread(target=_poll, args=each) for each in asking]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    times_s.sort()
    return {"p50_s": times_s[len(times_s) // 2], "p99_s": times_s[int(len(times_s) * 0.99)]}


def bench_following() -> dict[str, float]:
    """How quickly the server answers, and what it costs it, while many wait for what jobs print."""
    from drivetrain.server.client import Client

    with _server(_SERVER_TOML, {}) as (home, _):
        told = _told(home)
        client = Client(told["url"], told["token"])
        silent = {"job": {"command": ["sleep", "60"]}, "folder": str(home)}
        jobs = [client.ask("POST", "/api/jobs", silent)["id"] for _ in range(NUM_ASKED_FOR)]
        followers = [
            threading.Thread(target=_follow, args=(told, jobs[number % NUM_ASKED_FOR])) for number in range(NUM_CLIENTS)
        ]
        for thread in followers:
            thread.start()
        times_s: list[float] = []
        begun_s, cpu_s = time.monotonic(), _cpu_s(home)
        while time.monotonic() < begun_s + ASKING_S:
            asked_s = time.perf_counter()
            client.job(jobs[0])
            times_s.append(time.perf_counter() - asked_s)
            time.sleep(_BETWEEN_S)
        share_pct = 100 * (_cpu_s(home) - cpu_s) / (time.monotonic() - begun_s)
        for job in jobs:
            client.ask("POST", f"/api/jobs/{job}/stop")
        for thread in followers:
            thread.join()
    times_s.sort()
    return {"p99_s": times_s[int(len(times_s) * 0.99)], "server_cpu_pct": share_pct}


def _follow(told: dict[str, str], job: str) -> None:
    from drivetrain.server.client import Client

    for _ in Client(told["url"], told["token"]).logs(job, rank=None, follow=True):
        pass


def _poll(told: dict[str, str], job: str, times_s: list[float], number: int) -> None:
    address = told["url"].removeprefix("http://")
    headers = {"Authorization": f"Bearer {told['token']}"}
    connection = http.client.HTTPConnection(address, timeout=30)
    time.sleep(number / NUM_CLIENTS)
    until_s = time.monotonic() + ASKING_S
    while time.monotonic() < until_s:
        begun_s = time.perf_counter()
        connection.request("GET", f"/api/jobs/{job}", headers=headers)
        connection.getresponse().read()
        took_s = time.perf_counter() - begun_s
        times_s.append(took_s)
        time.sleep(max(0.0, 1.0 - took_s))
    connection.close()


def _submit(home: Path, env: dict[str, str], words: list[str], pool: str) -> float:
    before = set((home / "runs").glob("*"))
    begun_s = time.perf_counter()
    submitted = subprocess.Popen(
        [sys.executable, str(_COMMAND), "submit", "--on", pool, "--", *words],
        env=env,
        cwd="code",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until_s = begun_s + _PATIENCE_S
    while time.perf_counter() < until_s:
        new = [run for run in (home / "runs").glob("*") if run not in before]
        if any(log.stat().st_size for run in new for log in (run / "logs").glob("*.log")):
            took_s = time.perf_counter() - begun_s
            _see_end(home, submitted.communicate()[0].strip())
            return took_s
        time.sleep(0.001)
    raise RuntimeError(f"no line came: {submitted.communicate()[1]}")


def _see_end(home: Path, job: str) -> None:
    """Wait for a job's end: an agent whose server has gone would wait for it, to say how its ranks ended."""
    from drivetrain.server.client import Client

    told = _told(home)
    for _ in Client(told["url"], told["token"]).logs(job, rank=None, follow=True):
        pass


def _sbatch(env: dict[str, str], line: str) -> float:
    log = Path("sbatch.log").absolute()
    log.unlink(missing_ok=True)
    begun_s = time.perf_counter()
    script = f"#!/bin/sh\n{line}\n".encode()
    subprocess.run(["sbatch", f"--output={log}"], input=script, env=env, check=True, stdout=subprocess.DEVNULL)
    while not (log.exists() and log.stat().st_size):
        if time.perf_counter() > begun_s + _PATIENCE_S:
            raise RuntimeError("sbatch prints nothing")
        time.sleep(0.001)
    return time.perf_counter() - begun_s


@contextmanager
def _server(pools: str, more: dict[str, str]) -> Iterator[tuple[Path, dict[str, str]]]:
    import drivetrain

    compileall.compile_dir(Path(drivetrain.__file__).parent, quiet=2)
    code = Path("code")
    code.mkdir(exist_ok=True)
    (code / "hello.py").write_text("print('hello', flush=True)\n")
    Path("server.toml").write_text(pools)
    home = Path("home").absolute()
    env = {**os.environ, **more, "DRIVETRAIN_HOME": str(home)}
    server = subprocess.Popen(
        [sys.executable, "-m", "drivetrain", "server", "--port", "0", "--config", "server.toml"], env=env
    )
    try:
        until_s = time.monotonic() + _PATIENCE_S
        while not _told(home) and time.monotonic() < until_s:
            time.sleep(0.01)
        yield home, env
    finally:
        server.terminate()
        server.wait()


def _resident_bytes(home: Path) -> int:
    pid = _told(home)["pid"]
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return 1024 * int(found[1]) if found else 0


def _cpu_s(home: Path) -> float:
    """Of the server, since it began."""
    fields = Path(f"/proc/{_told(home)['pid']}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _told(home: Path) -> dict[str, Any]:
    """Where the server is; empty while it is none yet."""
    from drivetrain.server import here

    found = here.servers(home / "server")
    return {"url": found[0].url, "pid": found[0].pid, "token": here.read_token(home / "server")} if found else {}
