"""Routes for pools, nodes and quotas."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from pydantic import Field
from sqlalchemy import Connection

from drivetrain.compute.controller.nodes import NodeRecord, with_what_is_free
from drivetrain.compute.policy.periods import began_s
from drivetrain.compute.policy.values import Budget, Pool, Quota
from drivetrain.core.config import nearest
from drivetrain.core.errors import UsageError
from drivetrain.core.units import NS_PER_S
from drivetrain.ledger.fleet import (
    WINDOW_NS,
    Fleet,
    cost_text,
    fleet_now,
    now_json,
    now_text,
    statement,
    statement_json,
)
from drivetrain.server.database import Records, reading
from drivetrain.server.http import answers
from drivetrain.server.http.answers import answer
from drivetrain.server.http.bodies import Body
from drivetrain.server.http.who import doing, person_of, server_of
from drivetrain.server.services import settings as written
from drivetrain.server.services.fleet import moment_ns, read_fleet
from drivetrain.server.services.names import job_and_workers, refuse_unknown
from drivetrain.server.services.people import Person, Role

router = APIRouter(prefix="/api", tags=["fleet"])
Who = Annotated[Person, Depends(person_of)]


class NodeState(Body):
    """What is to become of a node."""

    state: Literal["up", "draining", "cordoned"]
    reason: str = Field(default="", max_length=500)


@router.get("/nodes", response_model=list[answers.NodeNow])
def nodes(request: Request, who: Who) -> list[dict[str, Any]]:  # noqa: ARG001
    """Machines, with what is free and who has the rest."""
    with reading(server_of(request).database) as connection:
        records = Records(connection)
        known = records.settings("node", NodeRecord)
        living = records.living_attempts()
    free = {node.name: node for node in with_what_is_free(known, living)}
    return [
        msgspec.to_builtins(node)
        | {"free_milli": list(free[node.name].free_milli), "attempts": [a.id for a in living if node.name in a.nodes]}
        for node in known
    ]


@router.get("/settings/{kind}", response_model=list[Pool | Quota | Budget])
def settings(request: Request, who: Who, kind: str) -> Response:  # noqa: ARG001
    """Pools, quotas or budgets."""
    with reading(server_of(request).database) as connection:
        return answer(Records(connection).settings(kind, _kind(kind)))


@router.get("/budgets", response_model=list[Budget])
def budgets(request: Request, who: Who) -> Response:  # noqa: ARG001
    """What teams may spend, and what they have since the day, week or month began."""
    server = server_of(request)
    with reading(server.database) as connection:
        at_ns = moment_ns(connection, server.clock())
        listed = Records(connection).settings("budget", Budget)
        since_ns = {per: int(began_s(per, at_ns / NS_PER_S) * NS_PER_S) for per in {budget.per for budget in listed}}
        fleets = {
            per: read_fleet(connection, at_ns, began_ns, ("team",), server.past, with_leaves=False)
            for per, began_ns in since_ns.items()
        }
    return answer([_counted(budget, fleets[budget.per], since_ns[budget.per]) for budget in listed])


def _counted(budget: Budget, fleet: Fleet, since_ns: int) -> Budget:
    whole = statement(fleet, since_ns, fleet.read_at_ns, where={"team": budget.team}).whole
    return replace(budget, spent=budget.spent + whole.cost)


@router.put("/settings/{kind}/{name}", status_code=204)
def set_setting(request: Request, who: Who, kind: str, name: str, body: dict[str, Any]) -> None:
    """Write a quota (as TEAM@POOL, or TEAM@ of all pools) or a budget (as TEAM), new or not."""
    _kind(kind)
    with _changing(request, who, f"set {kind}", name) as connection:
        records = Records(connection)
        pools = [pool.name for pool in records.settings("pool", Pool)]
        record = written.setting_of(kind, name, body, pools=pools)
        records.set_setting(kind, name, record)
        records.tell("settings", kind, None)
    server_of(request).wake()


@router.delete("/settings/{kind}/{name}", status_code=204)
def drop_setting(request: Request, who: Who, kind: str, name: str) -> None:
    """Take back a quota or a budget."""
    if kind not in ("quota", "budget"):
        raise HTTPException(404, f"there is no quota or budget called {kind[:40]}")
    with _changing(request, who, f"drop {kind}", name) as connection:
        records = Records(connection)
        if not records.drop_setting(kind, name):
            raise HTTPException(404, f"there is no {kind} of {name[:80].removesuffix('@')}")
        records.tell("settings", kind, None)
    server_of(request).wake()


@router.post("/nodes/{name}/state", status_code=202, response_class=Response)
def set_node(request: Request, who: Who, name: str, body: NodeState) -> Response:
    """Drain a node, cordon it, or take it back."""
    with _changing(request, who, f"set node {body.state}", name) as connection:
        records = Records(connection)
        known = [node.name for node in records.settings("node", NodeRecord)]
        if name not in known:
            guess = nearest(name, known)
            raise UsageError(f"there is no node {name[:80]!r}", hint=f"did you mean {guess}?" if guess else "")
        why = body.reason or ("" if body.state == "up" else f"by {who.name}")
        records.tell("node", name, {"state": body.state, "reason": why})
    server_of(request).wake()
    return Response(status_code=202)


@router.get("/top", response_model=answers.Account)
def top(request: Request, who: Who) -> dict[str, Any]:  # noqa: ARG001
    """The fleet now, as JSON and as text."""
    server = server_of(request)
    with reading(server.database) as connection:
        at_ns = moment_ns(connection, server.clock())
        now = fleet_now(read_fleet(connection, at_ns, max(0, at_ns - WINDOW_NS), ("pool", "job"), server.past))
    return {"json": now_json(now), "text": now_text(now)}


@router.get("/cost", response_model=answers.Account)
def cost(
    request: Request,
    who: Who,  # noqa: ARG001
    by: str = "team",
    since_s: Annotated[float, Query(ge=0, le=1e10)] = 7 * 86400.0,
    where: Annotated[list[str] | None, Query()] = None,
) -> dict[str, Any]:
    """Device time and money of a window, as JSON and as text; an array's are those of its workers.

    Of names of one kind it is either, of several kinds both.
    """
    server = server_of(request)
    chosen = _chosen(where or ())
    names = tuple(dict.fromkeys(filter(None, (name.strip() for name in by.split(",")))))
    with reading(server.database) as connection:
        at_ns = moment_ns(connection, server.clock())
        since_ns = max(0, at_ns - int(since_s * NS_PER_S))
        if "job" in chosen:
            chosen["job"] = frozenset().union(*(job_and_workers(connection, name) for name in sorted(chosen["job"])))
        fleet = read_fleet(connection, at_ns, since_ns, {*names, *chosen}, server.past)
    found = statement(fleet, since_ns, fleet.read_at_ns, by=names, where=chosen)
    for what in chosen.keys() & {"pool", "team", "user"}:
        for name in sorted(chosen[what]):
            alone = (
                found if len(chosen[what]) == 1 else statement(fleet, since_ns, fleet.read_at_ns, where={what: name})
            )
            if not alone.rows:
                with reading(server.database) as connection:
                    refuse_unknown(connection, what, name)
    return {"json": statement_json(found), "text": cost_text(found)}


def _chosen(where: Sequence[str]) -> dict[str, frozenset[str]]:
    """Names by their kind. Raises: UsageError: one is no NAME=VALUE."""
    chosen: dict[str, frozenset[str]] = {}
    for what, equals, name in (text.partition("=") for text in where):
        if not equals:
            raise UsageError(f"'{what[:80]}' chooses nothing", hint="NAME=VALUE, such as team=perception")
        chosen[what] = chosen.get(what, frozenset()) | {name}
    return chosen


def _changing(request: Request, who: Person, action: str, name: str) -> AbstractContextManager[Connection]:
    """As `doing`, for operators; a quota of all pools, `TEAM@`, is written down as the team's."""
    subject = name.removesuffix("@") if action.endswith("quota") else name
    return doing(request, who, action, subject, is_allowed=who.role is Role.OPERATOR)


def _kind(kind: str) -> type[Any]:
    if kind not in written.KINDS:
        raise HTTPException(404, f"there is nothing called {kind[:40]}: {', '.join(written.KINDS)}")
    return written.KINDS[kind]
