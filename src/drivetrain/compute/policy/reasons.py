"""Why, in plain words."""

from __future__ import annotations

from collections.abc import Sequence

from drivetrain.compute.policy.quota import Book
from drivetrain.compute.policy.values import CORES, MILLI, Request, Share
from drivetrain.core.units import count_text


def need(request: Request, num: int | None = None) -> str:
    """Such as `2 free 8-GPU nodes`."""
    num = num or request.min_nodes
    kind = f"{request.gpu} " if request.gpu not in ("", CORES) else ""
    if request.gpu == CORES:
        text = f"{count_text(num, 'node')} with {count_text_of(request.gpu_milli / MILLI)}"
    elif request.gpu_milli >= MILLI:
        text = count_text(num, f"free {request.gpu_milli // MILLI}-GPU node")
    elif request.gpu_milli:
        text = f"{request.gpu_milli / MILLI:g} of a GPU" + (f" on {count_text(num, 'node')}" if num > 1 else "")
    else:
        text = f"{count_text(num, 'node')} with {count_text_of(request.cpus)}"
    near = f" of one {request.topology}" if request.topology != "any" and request.topology_required else ""
    return f"{kind}{text}{near}"


def count_text_of(cpus: float) -> str:
    """Such as `4 free cores`."""
    return f"{cpus:g} free core{'' if cpus == 1 else 's'}"


def gpus(milli: int) -> str:
    """Such as `8` or `0.5`, of accelerators."""
    return f"{milli / MILLI:g}"


def no_node(pool: str) -> str:
    """Where there is none to ask for. Args: pool: that is asked for; empty for any."""
    return f"no node of pool {pool} is known yet: is there one?" if pool else "no node is known yet in any pool"


def lack(request: Request, room: str, quota: str) -> str:
    """What a job has to wait for. Args: room: how many nodes have it."""
    return f"needs {need(request)} ({room})" + (f"; {quota}" if quota else "")


def wait(lacks: str, position: int, *, others: bool) -> str:
    """Why a job waits. Args: others: whether others make room for it."""
    text = f"{lacks}; {place_in_line(position)}"
    return f"{text}; others make room for it" if others else text


def start(shares: Sequence[Share], pool: str, quota: str) -> str:
    """Where a job starts, and by what right."""
    where = f"{len(shares)} nodes" if len(shares) > 1 else shares[0].node
    return f"{where} of pool {pool}; {quota}" if quota else f"{where} of pool {pool}"


def devices(milli: int, kind: str = "") -> str:
    """Such as `8 GPUs` or `1 core`."""
    what = "core" if kind == CORES else "GPU"
    return f"{gpus(milli)} {what}{'' if milli == MILLI else 's'}"


def over_quota(book: Book, team: str, pools: Sequence[str], request: Request) -> str:
    """Why a team's quota has no room for a job even when nobody else is there; it waits for another quota."""
    most, pool = max((book.most(team, pool) or 0, pool) for pool in pools)
    needs = devices(request.gpu_milli * request.min_nodes, request.gpu)
    return (
        f"needs {needs} in pool {pool}, of which team {team} may use no more than {gpus(most)} by its quota and what "
        "others lend; it waits until that is more"
    )


def quota(book: Book, team: str, pool: str, more_milli: int) -> str:
    """How a team stands in a pool with so much more; empty where nothing limits it."""
    if not book.is_limited(pool) or not more_milli:
        return ""
    room = book.room(team, pool) or 0
    if book.is_guest(team, pool):
        lender = book.lender(team, pool)
        free = f"and may have {gpus(max(0, room))} more now" if room < more_milli else "and borrows"
        return f"team {team} owns nothing here {free}" + (f" from {lender}" if lender and room >= more_milli else "")
    if room < more_milli:
        over = book.borrowed(team, pool)
        used, owned = book.used(team, pool)
        stands = f"is {gpus(over)} over quota" if over else f"uses {gpus(used)} of its {gpus(owned)}"
        return f"team {team} {stands} and may have {gpus(max(0, room))} more now"
    if book.owns(team, pool, more_milli):
        return f"team {team} is within its quota"
    lender = book.lender(team, pool)
    return f"team {team} is {gpus(book.borrowed(team, pool, more_milli))} over quota, borrowed" + (
        f" from {lender}" if lender else ""
    )


def place_in_line(position: int) -> str:
    """Such as `first in line` or `12th in line`."""
    if position == 1:
        return "first in line"
    last, teens = position % 10, 10 < position % 100 < 20
    ending = "th" if teens else {1: "st", 2: "nd", 3: "rd"}.get(last, "th")
    return f"{position}{ending} in line"


def in_time(seconds: float) -> str:
    """Such as `in 14 min`; now where it is not after now."""
    if seconds < 1:
        return "now"
    if seconds < 100:
        return f"in {seconds:.0f} s"
    if seconds < 100 * 60:
        return f"in {seconds / 60:.0f} min"
    if seconds < 72 * 3600:
        return f"in {seconds / 3600:.0f} h"
    return f"in {seconds / 86400:.0f} days"
