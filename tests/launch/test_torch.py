"""Forking after `import torch`: threads, data workers and gloo work in the ranks, as in processes of their own."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable

PRELOAD = ("numpy", "torch")


def test_a_plain_torch_script_works_in_forked_ranks(launch: Callable) -> None:
    script = """
    import json, os, sys
    imported_before = "torch" in sys.modules
    import numpy, torch
    import torch.distributed as dist

    dist.init_process_group("gloo")
    total = torch.ones(3) * (dist.get_rank() + 1)
    dist.all_reduce(total)
    threads = torch.get_num_threads()
    product = torch.randn(300, 300) @ torch.randn(300, 300)
    numpy.ones((300, 300)) @ numpy.ones((300, 300))
    loader = torch.utils.data.DataLoader(list(range(8)), batch_size=4, num_workers=2)
    batches = [batch.tolist() for batch in loader]
    weight = torch.randn(200, 200, requires_grad=True)
    (weight @ weight).sum().backward()
    dist.destroy_process_group()
    print(json.dumps([imported_before, total.tolist(), batches, product.isfinite().all().item(), threads]))
    """
    done = launch(textwrap.dedent(script), preload=PRELOAD, env={"OMP_NUM_THREADS": "2"})
    assert done.outcome.exit_code == 0, done.text(0, "stderr")
    for rank in (0, 1):
        assert json.loads(done.text(rank)) == [True, [3, 3, 3], [[0, 1, 2, 3], [4, 5, 6, 7]], True, 2]
        assert done.text(rank, "stderr") == ""


def test_the_rank_that_failed_is_named_and_not_the_peer_that_lost_it(launch: Callable) -> None:
    script = """
    import torch
    import torch.distributed as dist
    dist.init_process_group("gloo")
    if dist.get_rank() == 1:
        raise ValueError("bad batch")
    dist.all_reduce(torch.ones(1))
    """
    done = launch(textwrap.dedent(script), preload=PRELOAD, restarts=0)
    assert done.outcome.exit_code == 1
    assert done.outcome.reason.startswith("rank 1 left with exit code 1")
    assert "ValueError: bad batch" in done.outcome.reason
