"""One frame in and its document out, with TLS and a sign-in at every server; and no password in any log."""

import cv2
import pytest

from contracts.frames import FrameHeaders
from messaging.admin import ensure_topics
from messaging.producer import Producer
from samples import CLIP
from settings import Settings
from storage.client import connect, database
from tests.integration.security.conftest import PASSWORD
from tests.integration.workers.conftest import Fleet, wait_for_count

ROLES = ("bridge", "worker", "sink")


@pytest.fixture
def picture() -> bytes:
    """A frame of the sample clip."""
    capture = cv2.VideoCapture(str(CLIP))
    _, frame = capture.read()
    capture.release()
    return cv2.imencode(".jpg", frame)[1].tobytes()


@pytest.mark.slow
def test_a_frame_goes_all_the_way(secured: Settings, fleet: Fleet, picture: bytes) -> None:
    ensure_topics(secured)
    fleet.start(*ROLES)
    fleet.wait_for("owning partitions", "bridge")
    producer = Producer(secured)
    producer.start()
    place = producer.send_frame(secured.topic_frames, "gate", picture, FrameHeaders()).result(30)
    producer.close()
    with connect(secured) as client:
        documents = database(client, secured)["DetectedFaces"]
        wait_for_count(documents, 1)
        found = documents.find_one()
    assert found is not None
    assert (found["_id"], found["status"], found["camera_id"]) == (str(place), "ok", "gate")
    assert fleet.stop() == dict.fromkeys(ROLES, 0)
    for role in ROLES:
        assert PASSWORD not in fleet.log(role)


@pytest.mark.slow
def test_a_role_that_is_not_let_in_says_so_and_waits(secured: Settings, fleet: Fleet) -> None:
    fleet.settings = fleet.settings.model_copy(update={"kafka_password": "another"})
    fleet.start("sink")
    address = secured.kafka_bootstrap_servers
    fleet.wait_for(f"waiting: Kafka at {address} refuses the sign-in of 'crowdwatch' by SCRAM-SHA-512: ", "sink")
    assert fleet.stop() == {"sink": 0}
    assert "another" not in fleet.log("sink")
