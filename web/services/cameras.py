"""Cameras as the pages and programs see them: whole documents, whose secrets go in and never come out."""

import threading
import time
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec

from contracts.camera_checks import check_camera
from contracts.camera_urls import check_url, masked, with_secrets_of
from contracts.cameras import Camera
from storage.camera_states import CameraState, CameraStates
from storage.camera_tests import CameraTests, PictureAnswer
from storage.cameras import Cameras
from storage.leases import Leases
from web.errors import RequestError

_FRESH = timedelta(seconds=8)
_ANSWER_WITHIN_S = 14.0
_ASK_EVERY_S = 0.15


class CameraDocuments:
    """Reads and writes the documents of cameras, and tells how their capture goes."""

    def __init__(
        self,
        cameras: Cameras,
        states: CameraStates,
        tests: CameraTests,
        capturing: Leases,
        stopping: threading.Event,
    ) -> None:
        """Take the repositories, and the leases of the processes that capture."""
        self._cameras = cameras
        self._states = states
        self._tests = tests
        self._capturing = capturing
        self._stopping = stopping

    def page(self, limit: int, after: str | None) -> tuple[list[dict[str, Any]], str | None]:
        """Return up to `limit` documents in the order of their ids, and the id after which the next page begins.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        found = self._cameras.page(limit + 1, after)
        items = found[:limit]
        return [shown(camera) for camera in items], items[-1].camera_id if len(found) > limit else None

    def get(self, camera_id: str) -> dict[str, Any] | None:
        """Return one document, None when there is none.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        camera = self._cameras.get(camera_id)
        return None if camera is None else shown(camera)

    def put(self, camera_id: str, document: Mapping[str, Any], *, may_set_address: bool) -> tuple[dict[str, Any], bool]:
        """Write a whole document; return it as it is shown, and whether it is new.

        A masked address that comes back keeps its secrets.

        Raises:
            ContractError: the document is not as it should be.
            RequestError: 403, the caller may not set the address that pictures are read from.
            UnavailableError: MongoDB does not answer.
        """
        before = self._cameras.get(camera_id)
        stored_url = None if before is None or before.source is None else before.source.url
        camera = Camera.from_dict({"camera_id": camera_id, **document})
        if camera.camera_id != camera_id:
            raise RequestError(400, f"camera_id should be {camera_id!r:.80} as in the address, or be left out")
        check_camera(camera)
        if camera.source is not None:
            url = with_secrets_of(camera.source.url, stored_url)
            if url != stored_url and not may_set_address:
                raise RequestError(403, "to set the address of a camera needs the role administrator", code="role")
            camera = msgspec.structs.replace(camera, source=msgspec.structs.replace(camera.source, url=url))
        return shown(camera), self._cameras.put(camera)

    def delete(self, camera_id: str) -> bool:
        """Remove a document; return whether there was one. The camera's results stay.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        return self._cameras.delete(camera_id)

    def states(self) -> list[dict[str, Any]]:
        """Return how the capture goes of each camera that should be captured; `unknown` where no process says so.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        told, now = self._states.all(), datetime.now(timezone.utc)
        captured = [one for one in self._cameras.page() if one.source is not None and one.source.enabled]
        return [_state(camera.camera_id, told.get(camera.camera_id), now) for camera in captured]

    def test_picture(self, url: str, camera_id: str | None) -> bytes:
        """Return a picture that the camera at `url` gives now; a masked address is that of `camera_id`.

        Raises:
            ContractError: the address is none of a camera.
            RequestError: 422, it gives no picture, and why; 409, no process captures, or all are busy.
            UnavailableError: MongoDB does not answer.
        """
        stored = None if camera_id is None else self._cameras.get(camera_id)
        known = None if stored is None or stored.source is None else stored.source.url
        complete = with_secrets_of(check_url(url), known)
        if not self._capturing.held():
            raise RequestError(409, "no process captures now; start the role capture", code="no_capture")
        question = self._tests.ask(complete, datetime.now(timezone.utc))
        answer = self._wait_for(question)
        if answer is None:
            self._tests.withdraw(question)
            raise RequestError(409, "the processes that capture are busy; try again", code="no_capture")
        if answer.picture is None:
            raise RequestError(422, answer.error or "no picture came", code="no_picture")
        return answer.picture

    def _wait_for(self, question: str) -> PictureAnswer | None:
        deadline = time.monotonic() + _ANSWER_WITHIN_S
        while time.monotonic() < deadline and not self._stopping.wait(_ASK_EVERY_S):
            answer = self._tests.take_answer(question)
            if answer is not None:
                return answer
        return None


def shown(camera: Camera) -> dict[str, Any]:
    """Return a camera's document as JSON types, without the secrets of its address."""
    if camera.source is not None:
        camera = msgspec.structs.replace(
            camera, source=msgspec.structs.replace(camera.source, url=masked(camera.source.url))
        )
    return camera.to_dict()


def _state(camera_id: str, told: CameraState | None, now: datetime) -> dict[str, Any]:
    if told is None or now - told.seen_at > _FRESH:
        nothing = {"since": None, "seen_at": None, "error": "no process captures it", "fps": 0.0}
        return {"camera_id": camera_id, "state": "unknown", **nothing}
    return told.to_dict()
