"""A trace of 245 MB read and broken down, by ours and by peers; eight ranks at once; a trace of 2 GB.

The trace is made: the events of shared `hta/trace_diff_control` (A100, 35 MB) seven times one after another, with times
moved by 0.6 s each turn, and the ids of launches, operators, flows, sequences and steps moved so that none comes twice.
Each tool runs in a process of its own, told a folder with one file; the clock runs from before the first byte is read
to the breakdown; imports come before, and so does what is done once for a machine: ours makes machine code when it
first meets a large trace. HolisticTraceAnalysis is in `.venv-peers`. TraceLens is not on PyPI (what has its name there
is another project) and so is optional: it is measured where the command in `requirements-peers.txt` has put it into
`.venv-peers` from its repository, and told as absent elsewhere. Of it we time `from_file` and `get_df_gpu_timeline`,
whose definitions our `breakdown` has: no perf models, no Excel report. It is asked to include kernels without a launch,
since it knows flows by the name `ac2g` alone, and in this trace of 2022 they are `async_cpu_to_gpu`; with these renamed
it takes as long and says the same. What it does at the least, `orjson.loads` of the whole file, is measured anywhere.
"""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
from pathlib import Path

NUM_SAMPLES = 3
NUM_CORES = 0
LIMIT_S = 900
NUM_TURNS, NUM_TURNS_2_GB = 7, 62
TURN_US, TURN_IDS = 600_000, 10_000_000
NUM_RANKS = 8

ROOT = Path(__file__).resolve().parents[1]
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
TRACE = Path(os.environ.get("DRIVETRAIN_TEST_DATA") or ROOT.parent / "shared/data") / "hta/trace_diff_control"

_MEASURE = """
import re, resource, sys, time
from pathlib import Path
{imports}
if __name__ == "__main__":
    files = sorted(map(str, Path(sys.argv[1]).iterdir()))
    begun_s = time.perf_counter()
    {work}
    took_s = time.perf_counter() - begun_s
    own = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
    print(took_s, 1024 * own, 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
_OURS = "from drivetrain.profile import map_traces, read_trace\nfrom drivetrain.profile.analyse import breakdown"
PROGRAMS = {
    "ours": (_OURS, "print(breakdown(read_trace(files[0])))"),
    "ours_alone": (_OURS, "print(breakdown(read_trace(files[0], processes=1)))"),
    "ranks": (_OURS, "print(map_traces(breakdown, files, processes=2))"),
    "ranks_alone": (_OURS, "print(map_traces(breakdown, files, processes=1))"),
    "hta": (
        "import logging\nfrom hta.trace_analysis import TraceAnalysis\nlogging.disable(logging.INFO)",
        "print(TraceAnalysis(trace_dir=sys.argv[1]).get_temporal_breakdown(visualize=False))",
    ),
    "tracelens": (
        "from TraceLens import TreePerfAnalyzer",
        "print(TreePerfAnalyzer.from_file(files[0], include_unlinked_kernels=True).get_df_gpu_timeline())",
    ),
    "orjson": ("import orjson", "print(len(orjson.loads(Path(files[0]).read_bytes())))"),
}
"""Imports, and what is timed."""


def bench_breakdown(tool=("ours", "ours_alone", "hta", "tracelens", "orjson")) -> dict[str, float]:
    """One trace of 245 MB, read and broken down."""
    took_s, own_bytes, child_bytes = _run(tool, _folder(NUM_TURNS, 1))
    num_helpers = min(len(os.sched_getaffinity(0)), 4) - 1 if tool == "ours" else 0
    return {"took_s": took_s, "peak_bytes": own_bytes + num_helpers * child_bytes}


def bench_ranks(processes=(2, 1)) -> dict[str, float]:
    """Eight such traces, by so many processes; peak memory is that of all of them."""
    took_s, own_bytes, child_bytes = _run("ranks" if processes == 2 else "ranks_alone", _folder(NUM_TURNS, NUM_RANKS))
    return {"took_s": took_s, "peak_bytes": own_bytes + (2 * child_bytes if processes == 2 else 0)}


def bench_large() -> dict[str, float]:
    """One trace of 2.2 GB."""
    took_s, own_bytes, child_bytes = _run("ours", _folder(NUM_TURNS_2_GB, 1))
    num_helpers = min(len(os.sched_getaffinity(0)), 4) - 1
    return {"took_s": took_s, "peak_bytes": own_bytes + num_helpers * child_bytes}


def _make_machine_code() -> None:
    program = "from drivetrain.profile.read.scan.machine import machine_code\nassert machine_code(may_be_made=True)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=LIMIT_S)


def _run(program: str, folder: Path) -> tuple[float, int, int]:
    imports, work = PROGRAMS[program]
    is_ours = program.startswith(("ours", "ranks"))
    python = sys.executable if is_ours else str(PEERS_PYTHON)
    if is_ours:
        _make_machine_code()
    script = Path(f"run_{program}.py")  # a file, since processes that it starts import it
    script.write_text(_MEASURE.format(imports=imports, work=work))
    done = subprocess.run([python, str(script), str(folder)], capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr.strip().splitlines()[-1:]
    took_s, own, child = done.stdout.split()[-3:]
    return float(took_s), int(own), int(child)


def _folder(num_turns: int, num_ranks: int) -> Path:
    """Traces of that many turns; all ranks are the same file. Later samples find them."""
    trace = Path(f"trace-{num_turns}.json").absolute()
    if not trace.exists():
        repeat(trace, num_turns)
    folder = Path(f"folder-{num_turns}-{num_ranks}").absolute()
    folder.mkdir(exist_ok=True)
    for rank in range(num_ranks):
        link = folder / f"rank{rank}.json"
        if not link.exists():
            link.symlink_to(trace)
    return folder


def repeat(path: Path, num_turns: int) -> None:
    """Write the real trace so many times over, as one."""
    text = gzip.decompress((TRACE / "control.json.gz").read_bytes())
    begin = text.index(b'"traceEvents": [') + len(b'"traceEvents": [')
    end = text.rindex(b"]")
    moved = re.compile(rb'"(ts|correlation|External id|id|Sequence number)": (\d+)|ProfilerStep#(\d+)')

    def replaced(match: re.Match[bytes]) -> bytes:
        if match[3]:
            return b"ProfilerStep#%d" % (int(match[3]) + 100 * turn)
        return b'"%s": %d' % (match[1], int(match[2]) + turn * (TURN_US if match[1] == b"ts" else TURN_IDS))

    with path.open("wb") as file:
        file.write(text[:begin])
        for turn in range(num_turns):
            file.write(b"," if turn else b"")
            file.write(moved.sub(replaced, text[begin:end]))
        file.write(text[end:])


if __name__ == "__main__":
    for tool in sys.argv[1:]:
        print(tool, bench_breakdown(tool))
