"""The description of the API is whole, and what is answered is what it says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import TypeAdapter
from tests.server.conftest import raw, submit
from tests.server_process import ServerProcess, wait_for_state

from drivetrain.compute.controller.states import JobRecord
from drivetrain.compute.policy.values import Pool
from drivetrain.server.http import answers


def operations(server: ServerProcess) -> list[tuple[str, dict[str, Any]]]:
    api = json.loads(raw(server, "GET", "/openapi.json", Authorization="")[1])
    return [(f"{method} {path}", said) for path, methods in api["paths"].items() for method, said in methods.items()]


def test_each_route_says_what_it_does_and_answers_and_who_may_ask(server: ServerProcess) -> None:
    for name, said in operations(server):
        assert said["description"], name
        good = [answer for status, answer in said["responses"].items() if status.startswith("2")]
        for kind, content in good[0].get("content", {}).items():
            assert content.get("schema") or kind != "application/json" or "/agent/" in name, name
        if name != "get /health":
            assert said["security"] == [{"HTTPBearer": []}], name
            refusal = said["responses"]["422"]["content"]["application/json"]["schema"]
            assert refusal == {"$ref": "#/components/schemas/Refusal"}, name


def test_each_request_of_people_refuses_keys_that_it_does_not_have(server: ServerProcess) -> None:
    schemas = json.loads(raw(server, "GET", "/openapi.json", Authorization="")[1])["components"]["schemas"]
    seen = 0
    for name, said in operations(server):
        body = said.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        if (
            "$ref" not in body or "/agent/" in name
        ):  # lists have no keys, and a job's and a setting's are judged by kind
            continue
        schema = schemas[body["$ref"].rpartition("/")[2]]
        assert schema["additionalProperties"] is False, name
        seen += 1
    assert seen >= 6


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/me", answers.Who),
        ("/api/users", list[answers.UserKept]),
        ("/api/audit", list[answers.Audited]),
        ("/api/jobs", list[JobRecord]),
        ("/api/jobs/latest", answers.Described),
        ("/api/jobs/latest/logs/last?num=3", answers.LastLines),
        ("/api/nodes", list[answers.NodeNow]),
        ("/api/settings/pool", list[Pool]),
        ("/api/top", answers.Account),
        ("/api/cost", answers.Account),
    ],
)
def test_what_is_answered_is_of_the_type_that_is_described(server: ServerProcess, path: str, kind: object) -> None:
    client = server.client()
    wait_for_state(client, submit(client, "true"), "succeeded")
    TypeAdapter(kind).validate_json(raw(server, "GET", path)[1])
    TypeAdapter(answers.Printed).validate_python(client.ask("POST", "/api/jobs/latest/logs", {}))
