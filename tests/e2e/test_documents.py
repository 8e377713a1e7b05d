"""The commands that the documents show are run as they stand, against a running system."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import cv2
import pytest

from contracts.access import Role
from contracts.faces import FacesRecord, ImageSize, Status
from contracts.offsets import SourceOffset
from messaging.dead import DeadLetters
from messaging.producer import Producer
from messaging.records import LogRecord
from samples import CLIP
from settings import Settings
from storage.api_keys import ApiKeys
from storage.client import connect
from storage.results import Results
from tests.documents import PAGES, ROOT, command_lines
from tests.e2e.browser.conftest import Running, crowdwatch, running  # noqa: F401  # a system of its own
from web.access.keys import Keys

ENDS_WITHIN_S = 240
STILL_RUNS_AFTER_S = 8
ELSEWHERE = {
    "docker": "needs Docker",
    "kubectl": "needs a cluster",
    "cd deploy/kubernetes": "needs a cluster",
    "password=": "needs a cluster",
    "deploy/compose/make-secrets.sh": "integration/deploy/test_compose.py",
    "chmod u+w": "needs Docker",
    "printf": "needs Docker",
    "make ": "unit/docs/test_commands.py: its targets exist; CI and the project's own work run them",
    "python3 -m pip": "the image",
    "source ": "the test's own environment",
    "export ": "the test's own environment",
    "python -m bench": "the project's own measurements",
    "python -m ops.planning": "unit/ops/planning",
    "python -m docs": "unit/docs",
    "python -m workers": "integration/workers",
    "crowdwatch plan": "unit/ops/planning",
    "crowdwatch models compare": "unit/detection",
}
"""How commands begin that are not run here, and who runs them or what they need."""

ENDLESS = ("--loop", "rtsp://", "curl -N", "follow --group")
"""What marks a command that goes on until it is stopped."""


def shown() -> list[str]:
    """Return each command once, in the order of the pages."""
    found: dict[str, None] = {}
    for line, words in (shown for page in PAGES for shown in command_lines(page)):
        if not " ".join(words).removeprefix(".venv/bin/").startswith(tuple(ELSEWHERE)):
            found[line.removeprefix(".venv/bin/")] = None
    return [*found]


@dataclass(frozen=True)
class Desk:
    """Where somebody sits who follows the documents: a folder with what the examples name, and an environment."""

    folder: Path
    environment: dict[str, str]
    url: str
    key: str
    settings: Settings

    def line(self, shown: str) -> str:
        """Return a command with this system's address and key."""
        return shown.replace("http://127.0.0.1:8000", self.url).replace("cw_…", self.key)


@pytest.fixture(scope="module")
def desk(
    running: Running,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Desk]:
    """Prepare what the documents assume."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "samples").symlink_to(ROOT / "samples")
    (folder / ".crowdwatch").symlink_to(running.data_dir)
    shutil.copy(CLIP, folder / "evening.mp4")
    capture = cv2.VideoCapture(str(CLIP))
    _, frame = capture.read()
    capture.release()
    cv2.imwrite(str(folder / "photo.jpg"), frame)
    (folder / "pictures").mkdir()
    shutil.copy(folder / "photo.jpg", folder / "pictures/1.jpg")
    (folder / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
    state = json.loads(crowdwatch("status", "--json", "--data-dir", str(running.data_dir)).stdout)
    servers = {name.upper(): state[name] for name in ("mongodb_uri", "kafka_bootstrap_servers")}
    settings = Settings.from_environment(servers)
    _put_frames_aside(settings)
    with connect(settings) as client:
        expires_at = datetime.now(timezone.utc) + timedelta(hours=1)
        _, key = Keys(ApiKeys(client, settings)).make("documents", Role.OPERATOR, None, "a test", expires_at)
    unwanted = {"REDIS_URL", "MONGODB_URI", "CROWDWATCH_AUTH"}
    environment = {name: value for name, value in os.environ.items() if name not in unwanted} | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "CURL_HOME": str(folder),
        "KAFKA_BOOTSTRAP_SERVERS": state["kafka_bootstrap_servers"],
        "CROWDWATCH_URL": running.url,
        "CROWDWATCH_KEY": key,
    }
    said = [sys.executable, "-m", "samples.clients.say", "a message for those who listen"]
    subprocess.run(said, env=environment, check=True, timeout=ENDS_WITHIN_S)
    yield Desk(folder, environment, running.url, key, settings)


def _put_frames_aside(settings: Settings) -> None:
    """Fill `frames.dead` up to the letter that the examples show and retry."""
    at_ms = int(datetime.now(timezone.utc).timestamp() * 1000)
    damaged = [
        LogRecord(SourceOffset(settings.topic_frames, 0, offset), at_ms, b"gate-1", b"no picture")
        for offset in range(19)
    ]
    producer = Producer(settings)
    producer.start()
    try:
        DeadLetters(producer, settings).bury_all([(record, "truncated") for record in damaged])
    finally:
        producer.close()


def _store_for_replay(settings: Settings) -> None:
    """Store a result of the camera and the hour that the examples replay; those that forget may have run before."""
    result = FacesRecord(
        source=SourceOffset("other-detector", 0, 0),
        camera_id="lobby",
        frame_id=0,
        captured_at=datetime(2026, 11, 23, 21, 30, tzinfo=timezone.utc),
        detected_at=datetime.now(timezone.utc),
        status=Status.OK,
        image=ImageSize(1280, 720),
    )
    with connect(settings) as client:
        Results(client, settings).replace_many([result])


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(ENDS_WITHIN_S + 60)
@pytest.mark.parametrize("command", shown())
def test_a_command_of_the_documents_runs(desk: Desk, command: str) -> None:
    endless = any(mark in command for mark in ENDLESS)
    if command.startswith("crowdwatch replay"):
        _store_for_replay(desk.settings)
    process = subprocess.Popen(
        ["bash", "-c", desk.line(command)],
        cwd=desk.folder,
        env=desk.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate("y\n", timeout=STILL_RUNS_AFTER_S if endless else ENDS_WITHIN_S)
    except subprocess.TimeoutExpired as expired:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=30)
        assert endless, f"{command} did not end: {expired.output!r}"
    else:
        assert not endless, f"{command} ended: {said}"
        assert process.returncode == 0, said
