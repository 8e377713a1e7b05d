"""Cameras as the pages and programs see them: whole documents, whose secrets go in and never come out."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
from web.services.models import Models

_FRESH = timedelta(seconds=8)
_ANSWER_WITHIN_S = 14.0
_ASK_EVERY_S = 0.15
_TRIES = 8
_CHANGED = "somebody else has changed the camera; read it again"


@dataclass(frozen=True)
class Written:
    """A document as it is shown, the mark of its last write, and whether that made it."""

    document: dict[str, Any]
    mark: str
    is_new: bool


class CameraDocuments:
    """Reads and writes the documents of cameras, and tells how their capture goes."""

    def __init__(
        self,
        cameras: Cameras,
        models: Models,
        states: CameraStates,
        tests: CameraTests,
        capturing: Leases,
        stopping: threading.Event,
        retention_days: float,
    ) -> None:
        """Take the repositories, the models, the leases of the processes that capture, and the retention."""
        self._cameras = cameras
        self._models = models
        self._states = states
        self._tests = tests
        self._capturing = capturing
        self._stopping = stopping
        self._defaults = {"retention_days": min(max(retention_days, 0.01), 36_500)}

    def page(self, limit: int, after: str | None) -> tuple[list[dict[str, Any]], str | None]:
        """Return up to `limit` documents in the order of their ids, and the id after which the next page begins.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        found = self._cameras.page(limit + 1, after)
        items = found[:limit]
        return [shown(camera) for camera in items], items[-1].camera_id if len(found) > limit else None

    def get(self, camera_id: str) -> Written | None:
        """Return one document with its mark, None when there is none.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        camera, mark = self._cameras.get_with_mark(camera_id)
        return None if camera is None or mark is None else Written(shown(camera), mark, False)

    def put(
        self, camera_id: str, document: Mapping[str, Any], *, only: Callable[[str | None], bool], may_set_address: bool
    ) -> Written:
        """Write a whole document; return it as it is shown.

        A document without `source` keeps the source there is. A masked address that comes back keeps its secrets.
        Without `retention_days` it gets the setting's.

        Args:
            camera_id: from the address.
            document: JSON types.
            only: whether a document with this mark may be replaced, or a new one be made (None).
            may_set_address: whether the caller may set or remove the address that pictures are read from.

        Raises:
            ContractError: the document is not as it should be.
            RequestError: 403, the caller may not set or remove the address; 412, `only` forbids it.
            UnavailableError: MongoDB does not answer.
        """
        for _ in range(_TRIES):
            before, mark = self._cameras.get_with_mark(camera_id)
            if not only(mark):
                raise RequestError(412, _CHANGED, code="changed")
            camera = self._read(camera_id, document, before, may_set_address)
            written = self._cameras.put_over(camera, mark)
            if written is not None:
                return Written(shown(camera), written, mark is None)
        raise RequestError(409, "others are changing the camera all the time; try again", code="changed")

    def _read(
        self, camera_id: str, document: Mapping[str, Any], before: Camera | None, may_set_address: bool
    ) -> Camera:
        """Read a document, and check all that it asks for."""
        camera = Camera.from_dict({"camera_id": camera_id, **self._defaults, **document})
        if camera.camera_id != camera_id:
            raise RequestError(400, f"camera_id should be {camera_id!r:.80} as in the address, or be left out")
        check_camera(camera)
        self._models.check(camera)
        source = None if before is None else before.source
        if "source" not in document:
            return msgspec.structs.replace(camera, source=source)
        if camera.source is None:
            if source is not None and not may_set_address:
                raise RequestError(403, "to remove the source of a camera needs the role administrator", code="role")
            return camera
        url = with_secrets_of(camera.source.url, None if source is None else source.url)
        if (source is None or url != source.url) and not may_set_address:
            raise RequestError(403, "to set the address of a camera needs the role administrator", code="role")
        return msgspec.structs.replace(camera, source=msgspec.structs.replace(camera.source, url=url))

    def mark_to_delete(self, camera_id: str, *, only: Callable[[str | None], bool]) -> str | None:
        """Return the mark of a document that is to be deleted, None when there is none.

        Raises:
            RequestError: 412, `only` forbids to delete the document with this mark.
            UnavailableError: MongoDB does not answer.
        """
        _, mark = self._cameras.get_with_mark(camera_id)
        if mark is not None and not only(mark):
            raise RequestError(412, _CHANGED, code="changed")
        return mark

    def delete(self, camera_id: str, mark: str) -> None:
        """Remove the document with this mark. The camera's results stay.

        Raises:
            RequestError: 412, it has another mark by now.
            UnavailableError: MongoDB does not answer.
        """
        if not self._cameras.delete(camera_id, mark):
            raise RequestError(412, _CHANGED, code="changed")

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
