"""Copies from pageable memory, matrix kernels off their units, and what makes the host wait."""

from __future__ import annotations

import numpy as np
import pytest
from tests.profile.analyse.events import kernel, launch, span

from drivetrain.profile import Trace, trace_of
from drivetrain.profile.analyse import nest
from drivetrain.profile.analyse.copies import PageableCopies, pageable_copies
from drivetrain.profile.analyse.matrix import MATRIX, UNITS, MatrixTime, has_matrix_units, matrix_time
from drivetrain.profile.analyse.syncs import SyncLine, sync_table
from drivetrain.profile.trace import Ints


def whole(trace: Trace) -> tuple[Ints, Ints]:
    return np.zeros(1, np.int64), np.array([trace.end_ns.max() + 1])


def test_only_pageable_copies_count_and_are_exposed_where_no_kernel_runs() -> None:
    trace = trace_of(
        [
            kernel("Memcpy HtoD (Pageable -> Device)", 0, 20, 1, bytes=4096),
            kernel("Memcpy HtoD (Pinned -> Device)", 30, 20, 2, bytes=4096),
            kernel("gemm", 15, 10, 3, stream=8),
        ]
    )
    assert pageable_copies(trace, *whole(trace)) == PageableCopies(1, 4096, 20_000, 15_000)
    later = np.array([25_000]), np.array([60_000])
    assert pageable_copies(trace, *later) == PageableCopies(0, 0, 0, 0)


@pytest.mark.parametrize(
    ("name", "is_matrix", "on_units"),
    [
        ("volta_sgemm_64x64_nt", True, False),
        ("void cudnn::cnn::wgrad_alg0_engine<float, 128, 6>", True, False),
        ("volta_h884gemm_64x64_ldg8_nn", True, True),
        ("void cutlass::Kernel<cutlass_80_tensorop_s1688gemm_256x64_16x4_nn_align4>", True, True),
        ("nvjet_hsh_128x256_64x4_1x2_h_bz_coopB_TNT", True, True),
        ("void pytorch_flash::flash_fwd_kernel<...>", True, True),
        ("Cijk_Ailk_Bljk_BBS_BH_MT128x128x64_MI32x32x8x1", True, True),
        ("void at::native::convertTensor", False, False),
        ("void conv_depthwise2d_forward_kernel<3, float>", False, False),
        ("void gemv2T_kernel_val<int, float>", False, False),
        ("void at::native::vectorized_elementwise_kernel<4>", False, False),
    ],
)
def test_names_of_kernels_say_whether_they_multiply_matrices_and_where(
    name: str, is_matrix: bool, on_units: bool
) -> None:
    assert (MATRIX.search(name) is not None) == is_matrix
    if is_matrix:
        assert (UNITS.search(name) is not None) == on_units


@pytest.mark.parametrize(
    ("device", "has"),
    [
        ("Tesla V100-DGXS-32GB", True),
        ("NVIDIA H100 80GB HBM3", True),
        ("NVIDIA A100-PG509-200", True),
        ("AMD Instinct MI300X", True),
        ("Tesla P100-PCIE-16GB", False),
        ("NVIDIA GeForce GTX 1080", False),
        ("", False),
    ],
)
def test_devices_are_known_by_their_names(device: str, has: bool) -> None:
    assert has_matrix_units(device) == has


def test_matrix_time_is_of_kernels_within_the_windows() -> None:
    trace = trace_of([kernel("sgemm", 0, 10, 1), kernel("s1688gemm", 20, 10, 2), kernel("add", 40, 10, 3)])
    assert matrix_time(trace, *whole(trace)) == MatrixTime(20_000, 10_000, False)
    assert matrix_time(trace, np.array([15_000]), np.array([60_000])).plain_ns == 0


def test_waits_are_the_outermost_operator_s() -> None:
    trace = trace_of(
        [
            span("aten::item", 0, 30),
            span("aten::_local_scalar_dense", 1, 28),
            launch(5, 20, 1, "cudaStreamSynchronize"),
            launch(50, 7, 2, "cudaDeviceSynchronize"),
            launch(60, 7, 3),
        ]
    )
    assert sync_table(trace, nest(trace), *whole(trace)) == (
        SyncLine("aten::item", 1, 20_000),
        SyncLine("cudaDeviceSynchronize", 1, 7_000),
    )
