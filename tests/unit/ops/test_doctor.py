"""The doctor on a machine where nothing runs."""

from pathlib import Path

from ops.doctor import examine
from settings import Settings


def test_nothing_need_run(tmp_path: Path) -> None:
    findings = {finding.check: finding for finding in examine(Settings(web_port=0), tmp_path)}
    assert {"python", "java", "redis-server", "mongod", "disk", "memory", "model", "gpu", "port"} <= set(findings)
    assert {"topics", "clock"} & set(findings) == set(), "there is no server to ask"
    assert findings["gpu"].level == "ok", "to have no GPU is no fault"


def test_a_model_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    findings = examine(Settings(model="no-such-model", web_port=0), tmp_path)
    assert [finding.level for finding in findings if finding.check == "model"] == ["problem"]
