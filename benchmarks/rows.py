"""Which figures RESULTS.md shows, what each has to reach, and the peers beside it. A new figure is a line here.

A figure is written as `SUITE/CASE:METRIC`, or `SUITE/CASE[PARAM=VALUE]:METRIC`.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.philly_table import WINDOWS


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a figure has to reach; `of_ratio` asks it of the ratio to the first peer instead."""

    at_most: float | None = None
    at_least: float | None = None
    of_ratio: bool = False


@dataclass(frozen=True)
class Row:
    """A line of the table: what it is, the figure, its target, peers by what they are called."""

    what: str
    figure: str
    target: Target | None = None
    peers: tuple[tuple[str, str], ...] = ()


def at_most(value: float) -> Target:
    return Target(at_most=value)


def times_at_most(value: float) -> Target:
    return Target(at_most=value, of_ratio=True)


def times_at_least(value: float) -> Target:
    return Target(at_least=value, of_ratio=True)


_RECORD = "ledger_record/record:"
_FLOOR = (("the floor: encode ten fields, one `os.write`", f"{_RECORD}floor_s"),)
_FLOOR_P99 = (("the floor", f"{_RECORD}floor_p99_s"),)
_OURS, _PEERS = "step_overhead/ours[way={}]:added_s", "step_overhead/peers[way={}]:added_s"
_SAVE = "checkpoint/save_and_restore:"
_IMAGES = "loader/images[way={}]:images_per_s"
_BATCH = "index/first_batch[shuffle={}]:"
_TRACE = "traces/breakdown[tool={}]:"
_STEPS = "detection/steps[step={1},way={0}]:"
_WEEK = "fleet/week[num_attempts=100000,num_nodes=1000]:"
_TRAIN = "fleet_server/running[num_jobs=50,num_ranks=8,num_steps=2000]:"
_BOOKS = "fleet_server/books[num_attempts=20000,num_nodes=1000]:"
_DEMO = "demo/demo[drive={}]:"
_BY_WINDOW = (
    ("windows", "num_windows"),
    ("windows of which it covers 75 % to 85 %", "num_windows_near"),
    ("mean of the windows", "mean_covered_pct"),
    ("the window of which it covers least", "least_covered_pct"),
    ("the window of which it covers most", "most_covered_pct"),
)
_STATIC, _DEPARTURES = "packing/static[pods={}]:", "packing/departures[pods={}]:"


def _beside(bench: str, kind: str, metric: str) -> tuple[str, None, tuple[tuple[str, str], ...]]:
    """A figure of ours for a kind of series, no target, and those of the peers."""
    ours, *peers = (f"detection/{bench}[kind={kind},way={way}]:{metric}" for way in ("ours", "asv", "otava"))
    return ours, None, tuple(zip(("asv", "Otava"), peers, strict=True))


_JOBS = "completion/played[by={}]:"
_PUBLISHED = "completion/published[by={}]:"
_HARD = "completion/conditions[by={},when={}]:"

SECTIONS: dict[str, tuple[Row, ...]] = {
    "imports": (
        Row("`import drivetrain`, over a bare interpreter", "imports/start:added_by_import_s", at_most(0.05)),
        Row(
            "`drivetrain --help`, whole process",
            "imports/start:help_s",
            at_most(0.2),
            (("a bare interpreter", "imports/start:bare_s"),),
        ),
    ),
    "ledger_record": (
        Row("step_begin, closing data_wait: median", f"{_RECORD}step_begin_s", at_most(3e-6), _FLOOR),
        Row("step_end, opening data_wait: median", f"{_RECORD}step_end_s", at_most(3e-6), _FLOOR),
        Row("begin: median", f"{_RECORD}begin_s", at_most(3e-6), _FLOOR),
        Row("end: median", f"{_RECORD}end_s", at_most(3e-6), _FLOOR),
        Row("log of two metrics: median", f"{_RECORD}log_s", at_most(3e-6), _FLOOR),
        Row("step_begin: 99th percentile", f"{_RECORD}step_begin_p99_s", at_most(20e-6), _FLOOR_P99),
        Row("step_end: 99th percentile", f"{_RECORD}step_end_p99_s", at_most(20e-6), _FLOOR_P99),
    ),
    "account": (Row("the account of 2 ranks and 200 steps: CPU time", "account/account[num_steps=200]:cpu_s"),),
    "fleet": (
        Row(
            "a week of 1,000 nodes x 8 and 100,000 attempts, from lines to the account by team: CPU time",
            f"{_WEEK}all_s",
        ),
        Row("of it: reading the lines", f"{_WEEK}read_s"),
        Row("of it: putting them in order", f"{_WEEK}order_s"),
        Row("of it: the week by team", f"{_WEEK}week_s"),
        Row("of it: the last hour by pool", f"{_WEEK}hour_s"),
        Row("memory held", f"{_WEEK}resident_bytes"),
    ),
    "fleet_server": (
        Row("`top`, 20,000 attempts a week: CPU time of the server's answer", f"{_BOOKS}top_s", at_most(0.2)),
        Row("the same, the first time that it is asked", f"{_BOOKS}first_s"),
        Row("`cost --since 1d --by team`", f"{_BOOKS}day_s"),
        Row("`cost --since 7d --by team`", f"{_BOOKS}week_s", at_most(1.0)),
        Row("`cost --since 7d --by user`", f"{_BOOKS}week_by_user_s"),
        Row("memory held by who asks", f"{_BOOKS}resident_bytes"),
        Row("the database", f"{_BOOKS}file_bytes"),
        Row("`top` while 50 jobs train, journals of 8 ranks x 2,000 steps each: the first time", f"{_TRAIN}first_s"),
        Row("the same, asked again at once", f"{_TRAIN}again_s", at_most(0.5)),
        Row("the same, asked again a minute later", f"{_TRAIN}minute_s", at_most(4.0)),
    ),
    "step_overhead": (
        Row(
            "added by `dt.Run` with its journal",
            _OURS.format("run"),
            times_at_most(10 / 60),
            (
                ("Lightning Fabric", _PEERS.format("fabric")),
                ("Accelerate", _PEERS.format("accel")),
                ("the raw loop's step", "step_overhead/ours[way=run]:raw_s"),
            ),
        ),
        Row(
            "added by `dt.fit` with logging and its bar",
            _OURS.format("fit"),
            times_at_most(30 / 60),
            (
                ("Lightning Fabric", _PEERS.format("fabric")),
                ("Hugging Face Trainer", _PEERS.format("hf")),
                ("Lightning Trainer, bare", _PEERS.format("lit")),
                ("Lightning Trainer with its defaults", _PEERS.format("litfull")),
            ),
        ),
        Row("the same, mean of all steps", "step_overhead/ours[way=fit]:added_mean_s", at_most(30e-6)),
        Row("`dt.Run` with checkpoints every 10 m", _OURS.format("run-saving")),
        Row("`dt.Run` with averaged weights (ema), which the peers' loops do not keep", _OURS.format("run-ema")),
        Row("`dt.Run` looking at every step's numbers (`anomaly=`)", _OURS.format("run-anomaly")),
        Row("`dt.Run` looking for spikes too", _OURS.format("run-spike")),
    ),
    "profile_capture": (
        Row("not profiled: the comparisons in a step", "profile_capture/off:added_by_tests_s", at_most(0.5e-6)),
        Row(
            "not profiled: the thread's look for a request, once a second", "profile_capture/off:look_s", at_most(1e-4)
        ),
        Row(
            "not profiled: how much longer a step is while that thread listens",
            "profile_capture/off:added_by_listening_s",
            None,
            (("the step", "profile_capture/off:step_s"),),
        ),
        Row("profiled: a step", "profile_capture/on:on_s", None, (("not profiled", "profile_capture/on:off_s"),)),
        Row("profiled: the rank stands still to begin and to end", "profile_capture/on:held_up_s"),
    ),
    "checkpoint": (
        Row(
            "training blocked by a save",
            f"{_SAVE}blocked_s",
            times_at_most(1.2),
            (
                ("one `copy_` of the same bytes", f"{_SAVE}copy_s"),
                ("`dcp.async_save`, thread", f"{_SAVE}thread_blocked_s"),
                ("`dcp.async_save`, process", f"{_SAVE}process_blocked_s"),
            ),
        ),
        Row(
            "the whole save",
            f"{_SAVE}whole_s",
            times_at_most(1.0),
            (
                ("`dcp.async_save`, thread", f"{_SAVE}thread_whole_s"),
                ("`dcp.async_save`, process", f"{_SAVE}process_whole_s"),
            ),
        ),
        Row("restore, verified", f"{_SAVE}restore_s", times_at_most(1.3), (("reading the file", f"{_SAVE}read_s"),)),
    ),
    "recovery": (
        Row(
            "SIGKILL of one of 2 ranks to the next step, state from memory: median",
            "recovery/from_memory[ranks=2]:recovery_s",
            at_most(0.2),
            (("torchrun `--standalone`", "recovery/torchrun:recovery_s"),),
        ),
        Row("the same: 99th percentile", "recovery/from_memory[ranks=2]:recovery_p99_s", at_most(1.0)),
        Row("the same: hung", "recovery/from_memory[ranks=2]:num_hung", at_most(0)),
        Row("state from the checkpoint: median", "recovery/from_checkpoint:recovery_s"),
        Row("the same: slowest", "recovery/from_checkpoint:recovery_max_s"),
        Row("one of 4 ranks, state from memory: median", "recovery/from_memory[ranks=4]:recovery_s"),
        Row("the same: slowest", "recovery/from_memory[ranks=4]:recovery_max_s"),
        Row("SIGSTOP of one of 2 ranks, `--hang-after 1s`: median", "recovery/hang:recovery_s"),
        Row("the same: slowest", "recovery/hang:recovery_max_s"),
    ),
    "ingest": (
        Row("a drive to labelled frames, hashed and flushed, for each GB", "ingest/drive:for_a_gb_s", at_most(60)),
        Row("CPU time of that, for each GB", "ingest/drive:cpu_for_a_gb_s"),
        Row("camera frames", "ingest/drive:frames_per_s"),
        Row("payload under way at once, of a budget of 256 MiB", "ingest/drive:under_way_bytes", at_most(1.1 * 2**28)),
        Row("resident memory beyond one frame's, of the same", "ingest/drive:grown_bytes", at_most(1.1 * 2**28)),
    ),
    "loader": (
        Row(
            "PandaSet's 1080p JPEGs to 960x540 uint8 batches, 2 threads",
            _IMAGES.format("ours"),
            times_at_least(0.9),
            (("the ceiling, codec and resize alone in threads", _IMAGES.format("ceiling")),),
        ),
        Row(
            "the same",
            _IMAGES.format("ours"),
            times_at_least(2.0),
            (
                ("torch DataLoader giving float32, as the target was set", _IMAGES.format("torch_float")),
                ("giving uint8", _IMAGES.format("torch")),
            ),
        ),
        Row(
            "the same",
            _IMAGES.format("ours"),
            times_at_least(1.0),
            (
                ("SPDL", _IMAGES.format("spdl")),
                ("WebDataset", _IMAGES.format("webdataset")),
                ("LitData", _IMAGES.format("litdata")),
                ("MosaicML Streaming", _IMAGES.format("streaming")),
            ),
        ),
        Row(
            "the decoder leaving out what is too fine to be seen (`ImageSize(exact=False)`)",
            _IMAGES.format("ours_scaled"),
            times_at_least(2.0),
            (("torch DataLoader giving uint8", _IMAGES.format("torch")),),
        ),
    ),
    "index": (
        Row("full shuffle: process start to first batch", _BATCH.format("full") + "first_s", at_most(2)),
        Row("full shuffle: going on from a random position", _BATCH.format("full") + "resume_s", at_most(1)),
        Row("full shuffle: peak resident memory", _BATCH.format("full") + "resident_bytes", at_most(500e6)),
        Row("block shuffle: process start to first batch", _BATCH.format("blocks") + "first_s", at_most(2)),
        Row("block shuffle: going on from a random position", _BATCH.format("blocks") + "resume_s", at_most(1)),
        Row("block shuffle: peak resident memory", _BATCH.format("blocks") + "resident_bytes", at_most(500e6)),
        Row(
            "a random sample of 250 kB, with its checksum",
            "index/reads:ours_s",
            times_at_most(1.0),
            (
                ("`tarfile` with an index of members, the same checksum", "index/reads:checked_tar_s"),
                ("the same, no checksum", "index/reads:tar_s"),
                ("plain seek and read, no checksum", "index/reads:plain_s"),
                ("of ours, the checksum alone", "index/reads:crc_s"),
            ),
        ),
    ),
    "traces": (
        Row(
            "a trace of 245 MB, read and broken down",
            _TRACE.format("ours") + "took_s",
            Target(at_most=1 / 20, of_ratio=True),
            (
                ("HolisticTraceAnalysis", _TRACE.format("hta") + "took_s"),
                ("`orjson.loads` of the file alone", _TRACE.format("orjson") + "took_s"),
            ),
        ),
        Row(
            "the same",
            _TRACE.format("ours") + "took_s",
            Target(at_most=1 / 8, of_ratio=True),
            (("TraceLens", _TRACE.format("tracelens") + "took_s"),),
        ),
        Row("the same, in one process", _TRACE.format("ours_alone") + "took_s"),
        Row(
            "the same: peak memory of all its processes",
            _TRACE.format("ours") + "peak_bytes",
            Target(at_most=1 / 5, of_ratio=True),
            (
                ("HolisticTraceAnalysis", _TRACE.format("hta") + "peak_bytes"),
                ("TraceLens", _TRACE.format("tracelens") + "peak_bytes"),
                ("`orjson.loads` of the file alone", _TRACE.format("orjson") + "peak_bytes"),
            ),
        ),
        Row(
            "8 such ranks by 2 processes",
            "traces/ranks[processes=2]:took_s",
            times_at_most(0.6),
            (("by one", "traces/ranks[processes=1]:took_s"),),
        ),
        Row("the same: peak memory of all", "traces/ranks[processes=2]:peak_bytes", at_most(1e9)),
        Row("a trace of 2.2 GB", "traces/large:took_s", at_most(15)),
        Row("the same: peak memory of all its processes", "traces/large:peak_bytes"),
    ),
    "detection": tuple(
        row
        for step, recall_pct in (("2 % at 1 %", 95), ("5 % at 1 %", 100), ("5 % at 3 %", 85))
        for row in (
            Row(
                f"a step of {step} noise, found within 3 of 100 points",
                _STEPS.format("ours", step) + "recall_pct",
                Target(at_least=recall_pct),
                (
                    ("asv", _STEPS.format("asv", step) + "recall_pct"),
                    ("Otava", _STEPS.format("otava", step) + "recall_pct"),
                ),
            ),
            Row(
                "the same: points in a series without a step",
                _STEPS.format("ours", step) + "false_alarms",
                at_most(0.02),
                (
                    ("asv", _STEPS.format("asv", step) + "false_alarms"),
                    ("Otava", _STEPS.format("otava", step) + "false_alarms"),
                ),
            ),
        )
    )
    + tuple(
        row
        for kind in ("independent noise", "seasons", "noise that hangs together", "trends")
        for row in (
            Row(f"changes among {kind}: F1 within 5 values", *_beside("kinds", kind, "f1_pct")),
            Row("the same: covering", *_beside("kinds", kind, "covering_pct")),
        )
    )
    + tuple(
        Row(f"series without changes, {kind}: given points", *_beside("steady", kind, "alarmed_pct"))
        for kind in ("independent noise", "correlated noise", "walks", "seasons and curves")
    ),
    "packing": (
        *(
            Row(
                f"GPUs allocated at 130 % demand, {pods}",
                _STATIC.format(pods) + "priced_pct",
                Target(at_least=least_pct),
                (
                    ("FGD", _STATIC.format(pods) + "fgd_pct"),
                    ("best fit", _STATIC.format(pods) + "best_fit_pct"),
                    ("random", _STATIC.format(pods) + "random_pct"),
                    ("FGD as published", _STATIC.format(pods) + "fgd_published_pct"),
                ),
            )
            for pods, least_pct in (("default", 96.3), ("gpushare40", 95.0), ("multigpu20", 96.8))
        ),
        *(
            Row(
                f"{what} here, {pods}: points from what was published",
                f"{_STATIC.format(pods)}{policy}_off_pct",
                at_most(most_pct),
            )
            for pods in ("default", "gpushare40", "multigpu20")
            for what, policy, most_pct in (
                ("FGD", "fgd", 0.3),
                ("best fit", "best_fit", 0.3),
                ("random", "random", 0.5),
            )
        ),
        *(
            Row(
                f"{pods}: points by which the class that pays most is refused more often than by FGD",
                _STATIC.format(pods) + "most_refused_over_fgd_pct",
                at_most(1.0),
            )
            for pods in ("default", "gpushare40", "multigpu20")
        ),
        *(
            Row(
                f"GPUs allocated at a load of 130 % with departures, {pods}",
                _DEPARTURES.format(pods) + "priced_pct",
                None,
                (
                    ("FGD", _DEPARTURES.format(pods) + "fgd_pct"),
                    ("best fit", _DEPARTURES.format(pods) + "best_fit_pct"),
                ),
            )
            for pods in ("default", "gpushare40")
        ),
        Row(
            "a placement, default",
            _STATIC.format("default") + "placement_s",
            at_most(20e-6),
            (("FGD", _STATIC.format("default") + "fgd_placement_s"),),
        ),
        Row("a replay, default, with prices learned anew", _STATIC.format("default") + "replay_s", at_most(60)),
    ),
    "completion": (
        Row(
            "Tiresias, played here: mean completion time of Pollux's four workloads",
            _JOBS.format("tiresias") + "mean_jct_s",
            None,
            (("as published", _PUBLISHED.format("tiresias") + "mean_jct_s"),),
        ),
        Row(
            "Pollux's objective, played here",
            _JOBS.format("pollux") + "mean_jct_s",
            times_at_most(1.03),
            (("as published", _PUBLISHED.format("pollux") + "mean_jct_s"),),
        ),
        *(
            row
            for policy, mean_s, known in (
                ("elastic-blind", 2500, "nothing known but its own measurements"),
                ("rollout-named", 2400, "the application's name known"),
                ("rollout-declared", 2250, "declared epochs known"),
            )
            for row in (
                Row(
                    f"ours, {known} (`{policy}`): mean",
                    _JOBS.format(policy) + "mean_jct_s",
                    at_most(mean_s),
                    tuple(
                        (name, _PUBLISHED.format(by) + "mean_jct_s")
                        for name, by in (
                            ("Pollux", "pollux"),
                            ("Tiresias", "tiresias"),
                            ("Optimus with oracle", "optimus"),
                        )
                    ),
                ),
                Row(
                    "the same: 99 % of jobs",
                    _JOBS.format(policy) + "p99_jct_s",
                    times_at_most(1.0),
                    (("Pollux", _PUBLISHED.format("pollux") + "p99_jct_s"),),
                ),
                Row(
                    "the same: makespan",
                    _JOBS.format(policy) + "makespan_s",
                    None,
                    (("Pollux's objective, played here", _JOBS.format("pollux") + "makespan_s"),),
                ),
                Row(
                    "the same: GPU-hours",
                    _JOBS.format(policy) + "gpu_hours",
                    None,
                    (("Pollux's objective, played here", _JOBS.format("pollux") + "gpu_hours"),),
                ),
            )
        ),
        *(
            Row(
                f"`rollout-declared`, {when}: mean",
                _HARD.format("rollout-declared", when) + "mean_jct_s",
                times_at_most(1.0),
                (
                    ("Pollux's objective, the same", _HARD.format("pollux", when) + "mean_jct_s"),
                    ("Pollux as published, without", _PUBLISHED.format("pollux") + "mean_jct_s"),
                ),
            )
            for when in ("declared wrong by e^1", "restarts of 120 s")
        ),
    ),
    "demo": (
        Row("the demo after set-up, synthetic drive", _DEMO.format("synthetic") + "took_s", at_most(90)),
        Row("the same: memory", _DEMO.format("synthetic") + "held_bytes", at_most(3 * 2**30)),
        Row("the same: mean IoU", _DEMO.format("synthetic") + "mean_iou"),
        Row("the demo after set-up, PandaSet 002", _DEMO.format("pandaset_002") + "took_s", at_most(150)),
        Row("the same: memory", _DEMO.format("pandaset_002") + "held_bytes", at_most(3 * 2**30)),
        Row("the same: mean IoU", _DEMO.format("pandaset_002") + "mean_iou", Target(at_least=0.5)),
    ),
    "plan": (
        Row("one plan: 10,000 jobs start on 10,000 empty nodes", "plan/plan[fleet=empty]:cpu_s", at_most(1.0)),
        Row("10,000 jobs wait, the nodes are full of 20,000 that stay", "plan/plan[fleet=full]:cpu_s", at_most(1.0)),
        Row("the same, all of it may be asked back at once", "plan/plan[fleet=preempted]:cpu_s"),
    ),
    "waiting": tuple(
        row
        for what, case in (
            *((f"the real Philly table, windows that were {known}", f"table[known={known}]") for known in WINDOWS),
            *((f"jobs of Philly's shape, seed {seed}", f"waiting[seed={seed}]") for seed in (1, 2)),
        )
        for row in (
            Row(
                f"{what}: waits that the 80 % interval covers",
                f"waiting/{case}:covered_pct",
                Target(at_least=75, at_most=85),
                (("the plays alone, not corrected", f"waiting/{case}:covered_by_plays_alone_pct"),),
            ),
            Row("the same: estimates", f"waiting/{case}:num_estimates"),
            *(Row(f"the same: {of}", f"waiting/{case}:{figure}") for of, figure in _BY_WINDOW if "table" in case),
            Row("the same: waits under its lower end, 10 % told", f"waiting/{case}:under_p10_pct"),
            Row("the same: waits under its middle, 50 % told", f"waiting/{case}:under_p50_pct"),
            Row("the same: waits under its upper end, 90 % told", f"waiting/{case}:under_p90_pct"),
            Row("the same: median wait of those", f"waiting/{case}:median_wait_s"),
            Row("the same: median width of the interval", f"waiting/{case}:median_width_s"),
            Row(
                "the same: score of the interval, less is better",
                f"waiting/{case}:interval_score",
                None,
                (("the plays alone, not corrected", f"waiting/{case}:plays_alone_interval_score"),),
            ),
            Row("the same: median error of its middle", f"waiting/{case}:median_error_s"),
            Row("the same: one estimate", f"waiting/{case}:estimate_s"),
        )
    ),
    "throughput": (
        Row(
            "15,000 workloads in Kueue's baseline shape, each transition durable",
            "throughput/workloads[scale=1.0]:total_s",
            at_most(66 * 1.05),
        ),
        Row("the same: quota in use", "throughput/workloads[scale=1.0]:quota_use_pct", Target(at_least=95)),
        Row("an array of 100,000 tasks, until it is accepted", "throughput/array:accepted_s", at_most(10)),
    ),
    "submit": (
        Row(
            "`drivetrain submit` to the first line of a Python script, local engine: median",
            "submit/local[command=python]:first_line_s",
            at_most(0.3),
        ),
        Row("the same: slowest of seven", "submit/local[command=python]:slowest_s"),
        Row("the same of `sh -c 'echo hello'`", "submit/local[command=sh]:first_line_s", at_most(0.3)),
        Row(
            "the same on Slurm",
            "submit/slurm:first_line_s",
            None,
            (("`sbatch` alone", "submit/slurm:sbatch_s"), ("without a step", "submit/slurm:sbatch_script_s")),
        ),
        Row("the same: more than `sbatch`", "submit/slurm:added_s", at_most(0.06)),
        Row("the same, by parts", "submit/slurm:added_by_parts_s"),
        Row("the same: how much later `sbatch` is called", "submit/slurm:called_later_s"),
        Row("the same: how much later the line comes where both had one start", "submit/slurm:line_later_s"),
        Row("the same: more than `sbatch` without a step", "submit/slurm:added_to_script_s"),
        Row(
            "the server before its first job: resident memory",
            "submit/local[command=python]:idle_bytes",
            at_most(150e6),
        ),
        Row("200 clients asking for a job each second: 99th percentile", "submit/polling:p99_s", at_most(0.1)),
        Row("the same: median", "submit/polling:p50_s"),
        Row("200 clients following logs, one more asking for a job: 99th percentile", "submit/following:p99_s"),
        Row("the same: the server's CPU, of a core", "submit/following:server_cpu_pct"),
    ),
    "mfu": (
        Row(
            "100M transformer, 16 x 1024 tokens: MFU", "mfu/training[model=100M transformer, 16 x 1024 tokens]:mfu_pct"
        ),
        Row(
            "segmentation network, 64 x 256 x 144: MFU",
            "mfu/training[model=segmentation network, 64 x 256 x 144]:mfu_pct",
        ),
    ),
}
"""Rows by suite, in the order of the page."""
