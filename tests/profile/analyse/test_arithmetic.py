from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import pytest
from tests.profile.analyse.events import Raw, kernel, launch, span, step

from drivetrain.profile import read_trace, trace_of
from drivetrain.profile.analyse import arithmetic, peak_of, roof
from drivetrain.profile.analyse.flops import Call, Cost, cost, outer_shape, outer_shapes


def flops(name: str, *shapes: tuple[int, ...] | None, outer: tuple[int, ...] | None = None) -> int | None:
    found = cost(Call(name, shapes, outer=outer))
    return None if found is None else found.flops


@pytest.mark.parametrize(
    ("name", "shapes", "expected"),
    [
        ("aten::mm", [(3, 4), (4, 5)], 2 * 3 * 4 * 5),
        ("aten::addmm", [(5,), (3, 4), (4, 5)], 2 * 3 * 4 * 5),
        ("aten::bmm", [(7, 3, 4), (7, 4, 5)], 7 * 2 * 3 * 4 * 5),
        ("aten::baddbmm", [(7, 3, 5), (7, 3, 4), (7, 4, 5)], 7 * 2 * 3 * 4 * 5),
        ("aten::linear", [(2, 3, 4), (5, 4), None], 2 * 6 * 4 * 5),
        ("aten::convolution_backward", [(1, 8, 5, 5), (1, 3, 7, 7), (8, 3, 3, 3)], 2 * 2 * 8 * 25 * 3 * 9),
        ("aten::cudnn_convolution_backward", [(1, 3, 7, 7), (1, 8, 5, 5), (8, 3, 3, 3)], 2 * 2 * 8 * 25 * 3 * 9),
        ("aten::scaled_dot_product_attention", [(2, 8, 16, 64), (2, 8, 20, 64), (2, 8, 20, 32)], 2 * 16 * 16 * 20 * 96),
        ("aten::_flash_attention_forward", [(2, 16, 8, 64), (2, 20, 8, 64), (2, 20, 8, 64)], 2 * 16 * 16 * 20 * 128),
    ],
)
def test_arithmetic_is_counted_from_shapes(name: str, shapes: list[tuple[int, ...] | None], expected: int) -> None:
    assert flops(name, *shapes) == expected


def test_backward_of_attention_is_five_products_where_forward_is_two() -> None:
    query, name = (2, 8, 16, 64), "aten::_scaled_dot_product_flash_attention"
    forward, backward = flops(name, query, query, query), flops(f"{name}_backward", query, query, query, query)
    assert forward is not None
    assert backward == 2.5 * forward


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("aten::add", [(3, 4), (3, 4)]),
        ("aten::mm", []),
        ("aten::mm", [(3, 4), None]),
        ("aten::mm", [(3, 4), (5, 6)]),
        ("aten::linear", [(3,), (5, 4, 2)]),
        ("aten::convolution", [(1, 3, 7, 7), (8, 3, 3, 3)]),
        ("aten::scaled_dot_product_attention", [(3, 4), (5, 4), (6, 4)]),
    ],
)
def test_what_is_not_known_is_not_nothing(name: str, shapes: list[tuple[int, ...] | None]) -> None:
    assert flops(name, *shapes) is None


def test_backward_tells_the_output_of_a_convolution_unless_two_contradict_each_other() -> None:
    given, weight, outer = (1, 3, 8, 8), (8, 3, 3, 3), (1, 8, 4, 4)
    calls = [Call("aten::convolution_backward", (outer, given, weight)), Call("aten::mm", ())]
    assert outer_shapes(calls) == {(given, weight): outer}
    assert flops("aten::convolution", given, weight, outer=outer) == 2 * 8 * 16 * 3 * 9
    assert outer_shapes([*calls, Call("aten::convolution_backward", ((1, 8, 6, 6), given, weight))]) == {}


def test_grouped_and_transposed_convolutions_are_told_by_their_shapes() -> None:
    assert flops("aten::convolution", (1, 8, 5, 5), (8, 4, 3, 3), outer=(1, 8, 3, 3)) == 2 * 8 * 9 * 4 * 9
    assert flops("aten::convolution", (1, 6, 5, 5), (6, 4, 2, 2), outer=(1, 4, 10, 10)) == 2 * 6 * 25 * 4 * 4


@pytest.mark.parametrize(
    ("name", "weight", "values", "expected"),
    [
        ("conv2d", (8, 3, 3, 3), "[2, 2];[1, 1];[1, 1];1", (1, 8, 4, 4)),
        ("conv2d", (8, 3, 3, 3), "[1];[0];[2];1", (1, 8, 4, 4)),
        ("convolution", (8, 3, 3, 3), "[1, 1];[0, 0];[1, 1];False;[0, 0];1", (1, 8, 6, 6)),
        ("convolution", (3, 4, 2, 2), "[2, 2];[0, 0];[1, 1];True;[1, 1];2", (1, 8, 17, 17)),
        ("conv_transpose2d", (3, 4, 2, 2), "[2, 2];[0, 0];[0, 0];1;[1, 1]", (1, 4, 16, 16)),
    ],
)
def test_strides_tell_the_output_of_a_convolution(
    name: str, weight: tuple[int, ...], values: str, expected: tuple[int, ...]
) -> None:
    call = Call(f"aten::{name}", ((1, 3, 8, 8), weight), ["", "", "", *values.split(";")])
    assert outer_shape(call) == expected


def test_of_a_first_layer_only_the_weight_has_a_gradient() -> None:
    shapes = ((1, 8, 5, 5), (1, 3, 7, 7), (8, 3, 3, 3))
    found = cost(Call("aten::convolution_backward", shapes, [*[""] * 10, "[False, True, True]"]))
    assert found is not None
    assert found.flops == 2 * 8 * 25 * 3 * 9


def product(ts: float, dur: float, number: int, *, kernel_name: str = "gemm", inner: bool = False) -> list[Raw]:
    args: Raw = {"Input Dims": [[512, 256], [256, 1024]], "Input type": ["float", "float"]}
    return [
        {**span("aten::mm", ts, dur), "args": args},
        *([{**span("aten::mm", ts + 0.5, dur - 1), "args": args}] if inner else []),
        launch(ts + 1, 1, number),
        kernel(kernel_name, ts + 2, 10, number),
    ]


H100: Raw = {"deviceProperties": [{"id": 0, "name": "NVIDIA H100 80GB HBM3"}]}
FLOPS = 2 * 512 * 256 * 1024


def test_steps_have_arithmetic_and_utilisation_and_say_what_they_do_not_know() -> None:
    unknown = [span("aten::add", 60, 5), launch(61, 1, 9), kernel("add", 70, 4, 9)]
    none = [span("aten::copy_", 80, 9), launch(81, 1, 8), kernel("Memcpy DtoD", 85, 3, 8)]
    none += [launch(83, 1, 7), kernel("ncclDevKernel_AllReduce", 90, 3, 7)]
    trace = trace_of(
        [step(1, 0, 100), step(2, 100, 100), *product(10, 20, 1, inner=True), *product(110, 20, 2), *unknown]
    )
    found = arithmetic(trace)
    assert found.flops_per_step == FLOPS
    assert [(one.num_calls, one.flops, one.time_us) for one in found.counted] == [(2, 2 * FLOPS, 20)]
    assert (found.known_us, found.unknown_us) == (20, 4)
    assert found.mfu(1e15) == pytest.approx(FLOPS / 100e-6 / 1e15)


def test_what_lies_outside_steps_is_not_theirs() -> None:
    assert arithmetic(trace_of([step(1, 0, 10), *product(20, 20, 1)])).flops_per_step is None


def test_without_a_device_the_host_takes_the_time() -> None:
    (one,) = arithmetic(trace_of([step(1, 0, 100), product(10, 20, 1)[0]])).counted
    assert one.time_us == 20


def test_an_operator_is_left_or_right_of_the_ridge() -> None:
    trace = trace_of([step(1, 0, 100), *product(10, 20, 1)], **H100)
    peak = peak_of(trace.origin.devices[0].name)
    (one,) = arithmetic(trace).counted
    assert peak is not None
    assert one.num_bytes == 4 * (512 * 256 + 256 * 1024 + 512 * 1024)
    found = roof(one, peak)
    assert found is not None
    assert found.bound == "compute"
    assert found.share == pytest.approx(FLOPS / 10e-6 / 66.9e12)


@pytest.mark.parametrize(
    "dims", [[[0, 3], [3, 4]], [[-1, 3], [3, 4]], [[1.5, 3], [3, 4]], "nothing", 5, [[[2, 3]], [3, 4]]]
)
def test_odd_shapes_are_nowhere_under_the_roof(dims: object) -> None:
    odd: Raw = {"Input Dims": dims, "Input type": ["float", "float"]}
    trace = trace_of(
        [step(1, 0, 100), {**span("aten::mm", 10, 20), "args": odd}, launch(11, 1, 1), kernel("k", 12, 9, 1)]
    )
    peak = peak_of("NVIDIA L4")
    assert peak is not None
    assert [roof(one, peak) for one in arithmetic(trace).counted] in ([], [None])


def test_kernels_in_tf32_are_measured_against_its_peak() -> None:
    (one,) = arithmetic(
        trace_of([step(1, 0, 100), *product(10, 20, 1, kernel_name="sm80_xmma_gemm_f32f32_tf32f32")])
    ).counted
    assert one.dtype == "tf32"


@pytest.mark.parametrize(
    ("device", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "H100 SXM"),
        ("NVIDIA H100 PCIe", "H100 PCIe"),
        ("NVIDIA A100-SXM4-80GB", "A100 SXM 80"),
        ("NVIDIA A100-PG509-200", "A100 40"),
        ("Tesla V100-DGXS-32GB", "V100 SXM2"),
        ("NVIDIA L40S", "L40S"),
    ],
)
def test_devices_have_peaks_from_datasheets(device: str, name: str) -> None:
    peak = peak_of(device)
    assert peak is not None
    assert peak.name == name
    assert peak.source
    assert peak.flops_per_s("complex64") is None


@pytest.mark.parametrize("device", ["", "NVIDIA GeForce RTX 4090", "NVIDIA A10G", "cpu", "NVIDIA H100 NVL"])
def test_a_device_that_is_not_in_the_table_has_no_peak(device: str) -> None:
    assert peak_of(device) is None


@pytest.mark.parametrize(
    "name", ["gaunernst_bert-small-uncased__1016001", "facebook_timesformer-base-finetuned-k400__1016002"]
)
def test_products_move_and_compute_what_tracelens_published(shared_data: Path, name: str) -> None:
    """Which counts the sum with a bias as arithmetic too."""
    folder = shared_data / "tracelens" / "h100"
    with (folder / f"{name}_perf_report_csvs" / "GEMM.csv").open() as file:
        published: Counter[tuple[int, float]] = Counter()
        for row in csv.DictReader(file):
            m, n = int(row["param: M"]), int(row["param: N"])
            bias = m * n if row["param: bias"] == "True" else 0
            key = round(float(row["GFLOPS_first"]) * 1e9) - bias, float(row["Data Moved (MB)_first"]) * 2**20
            published[key] += int(row["name_count"])
    trace = read_trace(folder / f"{name}.json.gz")
    found: Counter[tuple[int, float]] = Counter()
    for row, kind in enumerate(trace.name.tolist()):
        if trace.names[kind] in ("aten::addmm", "aten::bmm"):
            shapes = [tuple(dims) for dims in json.loads(trace.texts[trace.dims[row]])]
            counted = cost(Call(trace.names[kind], shapes))
            assert isinstance(counted, Cost)
            found[counted.flops, counted.elements * 2.0] += 1
    assert found == published


def test_a_step_of_resnet50_is_three_times_forward(shared_data: Path) -> None:
    """8.18 GFLOPs an image forward (He et al. 2015 count 4.1 G multiply-adds); 32 images."""
    (path,) = (shared_data / "kineto_resnet50" / "num_workers_0").glob("*.json.gz")
    assert arithmetic(read_trace(path)).flops_per_step == pytest.approx(3 * 32 * 8.178e9, rel=2e-3)


@pytest.mark.slow
def test_a_step_has_the_arithmetic_that_torch_counts(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from torch.profiler import ProfilerActivity, profile
    from torch.utils.flop_counter import FlopCounterMode

    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, stride=2),
        torch.nn.ConvTranspose2d(8, 4, 2, stride=2),
        torch.nn.Linear(14, 5),
    )
    images = torch.randn(2, 3, 16, 16)
    with FlopCounterMode(display=False) as counter:
        model(images).sum().backward()
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiler:
        model(images).sum().backward()
    profiler.export_chrome_trace(str(tmp_path / "trace.json"))
    assert arithmetic(read_trace(tmp_path / "trace.json")).flops_per_step == counter.get_total_flops()
