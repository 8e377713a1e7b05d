"""What `/openapi.json` says, held against what comes: requests that schemathesis makes up from it."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from contracts.access import Role

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
WAITS_AT_MOST_S = 0.05


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("signed_in", [True, False], ids=["with a key", "without"])
def test_every_answer_is_as_described(start_web, cases, signed_in):
    web = start_web(auth="required", requests_per_minute=0)
    key, text = web.services.access.keys.make("cases", Role.ADMINISTRATOR, None, "test", None)
    headers = {"Authorization": f"Bearer {text}"}
    document = web.client().get("/openapi.json", headers=headers).json
    schema = schemathesis.openapi.from_dict(document)
    schema.app = web.app
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) == sum(len(methods) for methods in document["paths"].values())
    each = max(1, cases // len(operations))
    statuses = {}
    for operation in operations:

        @settings(
            max_examples=each,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case):
            if isinstance(case.query.get("wait"), int | float):
                case.query["wait"] = min(case.query["wait"], WAITS_AT_MOST_S)
            if case.path_parameters.get("key_id") == key.id:
                return
            answer = case.call(headers=headers if signed_in else None)
            case.validate_response(answer, checks=CHECKS)
            statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1

        ask()
    assert sum(statuses.values()) >= min(each, 3) * len(operations)
    assert signed_in or set(statuses) <= {200, 400, 401, 404, 405, 429}, statuses  # keys are made up too
