"""Errors that only say that another rank is gone."""

from __future__ import annotations

import pytest

from drivetrain.core.errors import StoreError
from drivetrain.launch.lost import chain, is_about_a_lost_peer, is_peer_lost


@pytest.mark.parametrize(
    "words",
    [
        "RuntimeError: [../gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:1884",
        "torch.distributed.DistNetworkError: failed to recv, got 0 bytes",
        "DistBackendError: NCCL error: ncclRemoteError",
        "ConnectionResetError: [Errno 104] Connection reset by peer",
    ],
)
def test_what_torch_says_of_a_lost_peer_is_understood(words: str) -> None:
    assert is_peer_lost(words)


@pytest.mark.parametrize("words", ["ValueError: bad batch 7", "CUDA out of memory", "KeyError: 'peer'"])
def test_other_words_are_failures_of_their_own(words: str) -> None:
    assert not is_peer_lost(words)


def test_an_error_that_a_lost_peer_led_to_is_about_it() -> None:
    error = ValueError("could not evaluate")
    assert not is_about_a_lost_peer(error)
    error.__context__ = ConnectionResetError("Connection reset by peer")
    assert is_about_a_lost_peer(error)


def test_a_bucket_that_refuses_connections_is_no_lost_peer() -> None:
    error = StoreError("cannot list s3://bucket")
    error.__cause__ = OSError("tcp connect error: Connection refused (os error 111)")
    assert not is_about_a_lost_peer(error)
    later = RuntimeError("gloo/transport/tcp/pair.cc: Connection closed by peer")
    later.__context__ = error
    assert is_about_a_lost_peer(later)


def test_errors_that_lead_in_a_circle_end() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert set(chain(first)) == {first, second}
