"""`drivetrain pools`: what there is, and what is free of it; drain a node or take it back."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from drivetrain.cli.options import refuse_alone
from drivetrain.cli.tables import table

if TYPE_CHECKING:
    from drivetrain.server.client import Client

MILLI = 1000
_PATIENCE_S, _LOOK_S = 3.0, 0.05


@click.command()
@click.option("--drain", metavar="NODE", help="Give it no more work; what runs there goes on.")
@click.option("--resume", metavar="NODE", help="Take a drained or cordoned node back.")
@click.option("--why", default="", help="Kept with the node.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array of nodes.")
def command(drain: str | None, resume: str | None, why: str, as_json: bool) -> None:
    """List pools and their nodes."""
    from drivetrain.server.client import connect

    refuse_alone(("why",), "--drain or --resume", hint='drivetrain pools --drain NODE --why "a fan"')
    client = connect()
    for name, state in ((drain, "draining"), (resume, "up")):
        if name is not None:
            _tell(client, name, state, why)
    nodes = client.ask("GET", "/api/nodes")
    if as_json:
        click.echo(json.dumps(nodes))
        return
    prices = {pool["name"]: pool for pool in client.ask("GET", "/api/settings/pool")}
    click.echo(table(("pool", "kind", "an hour", "nodes", "free", "of"), _pools(nodes, prices), (2, 3, 4, 5)))
    rows = [(n["name"], n["pool"], n["gpu"], _free(n), n["state"], _why(n)) for n in nodes]
    click.echo("\n" + table(("node", "pool", "kind", "free", "state", "why"), rows, (3,)))


def _tell(client: Client, name: str, state: str, why: str) -> None:
    """Have a node be in a state, and wait a moment until it is."""
    from drivetrain.server.addresses import in_path

    client.ask("POST", f"/api/nodes/{in_path('node', name)}/state", {"state": state, "reason": why})
    click.echo(f"{name} is told to be {state}", err=True)
    until_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until_s:
        if any(node["name"] == name and _is_so(node, state) for node in client.ask("GET", "/api/nodes")):
            return
        time.sleep(_LOOK_S)


def _is_so(node: dict[str, Any], state: str) -> bool:
    """Whether a node is as somebody here wants it, or will be once its engine has it up."""
    if state == "up":
        return not node["is_ours"] and not node["back_as"]
    return state in (node["state"], node["back_as"])


def _pools(nodes: list[dict[str, Any]], prices: dict[str, dict[str, Any]]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, pool in sorted(prices.items()):
        own = [node for node in nodes if node["pool"] == name]
        free = sum(sum(node["free_milli"]) for node in own if node["state"] == "up")
        price = f"{pool['price_per_gpu_h'] / 1e6:g}" if pool["price_per_gpu_h"] else "–"
        total = sum(node["num_gpus"] for node in own)
        rows.append((name, pool["kind"], price, str(len(own)), f"{free / MILLI:g}", str(total)))
    return rows


def _free(node: dict[str, Any]) -> str:
    free = f"{sum(node['free_milli']) / MILLI:g} of {node['num_gpus']}"
    if node["is_asleep"]:
        return f"{free}, asleep"
    return f"{free}, {node['others_gpus']} others'" if node["others_gpus"] else free


def _why(node: dict[str, Any]) -> str:
    if not node["back_as"]:
        return str(node["evidence"])
    why = f": {node['back_why']}" if node["back_why"] else ""
    return f"{node['evidence']}; {node['back_as']} when it is back{why}"
