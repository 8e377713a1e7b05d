"""Collection `cameras`: one document a camera, as its contract has it, and a mark that changes with each write."""

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pymongo import MongoClient
from pymongo.errors import DuplicateKeyError

from contracts.camera_checks import read_usable
from contracts.cameras import Camera
from settings import Settings
from storage.client import Document, connect, database, mongo_errors

log = logging.getLogger(__name__)

COLLECTION = "cameras"
_REVISION = "revision"
_UNMARKED = "unmarked"
"""Stands for the mark of a document that another hand wrote, without one."""


class Cameras:
    """The repository of cameras. `_id` is the camera's id."""

    def __init__(self, client: "MongoClient[Document]", settings: Settings) -> None:
        self._collection = database(client, settings)[COLLECTION]

    def get(self, camera_id: str) -> Camera | None:
        """Return a camera, None when there is none of this id.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read a camera"):
            found = self._collection.find_one({"_id": camera_id})
        return None if found is None else _camera(found)

    def get_with_mark(self, camera_id: str) -> tuple[Camera | None, str | None]:
        """Return a camera and the mark of its last write, None when there is none of this id.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read a camera"):
            found = self._collection.find_one({"_id": camera_id})
        return (None, None) if found is None else (_camera(found), _mark(found))

    def page(self, limit: int = 0, after: str | None = None) -> list[Camera]:
        """Return up to `limit` cameras (all of them when 0) in the order of their ids, those behind `after`.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        query: Document = {} if after is None else {"_id": {"$gt": after}}
        with mongo_errors("cannot read the cameras"):
            found = list(self._collection.find(query).sort("_id", 1).limit(limit))
        return [camera for document in found if (camera := _camera(document)) is not None]

    def put(self, camera: Camera) -> bool:
        """Write the whole document of a camera; return whether it is a new one.

        Raises:
            UnavailableError: MongoDB did not take it.
        """
        document = {**camera.to_dict(), _REVISION: uuid.uuid4().hex}
        with mongo_errors("cannot store a camera"):
            written = self._collection.replace_one({"_id": camera.camera_id}, document, upsert=True)
        return written.matched_count == 0

    def put_over(self, camera: Camera, mark: str | None) -> str | None:
        """Write the whole document of a camera over the one that has this mark; with None, only if there is none yet.

        Returns:
            The mark of the new document, None when somebody else was faster: nothing was written.

        Raises:
            UnavailableError: MongoDB did not take it.
        """
        new = uuid.uuid4().hex
        document = {**camera.to_dict(), _REVISION: new}
        with mongo_errors("cannot store a camera"):
            if mark is not None:
                written = self._collection.replace_one({"_id": camera.camera_id, **_has_mark(mark)}, document)
                return new if written.matched_count else None
            try:
                self._collection.insert_one({"_id": camera.camera_id, **document})
            except DuplicateKeyError:
                return None
        return new

    def delete(self, camera_id: str, mark: str | None = None) -> bool:
        """Remove a camera, with a mark only the document that has it; return whether there was one.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        query = {"_id": camera_id} if mark is None else {"_id": camera_id, **_has_mark(mark)}
        with mongo_errors("cannot remove a camera"):
            return self._collection.delete_one(query).deleted_count == 1

    def revisions(self) -> dict[str, str]:
        """Return each camera's id and the mark of its last write.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read the cameras"):
            found = list(self._collection.find({}, {_REVISION: 1}))
        return {document["_id"]: document.get(_REVISION, "") for document in found}

    def of_ids(self, camera_ids: Sequence[str]) -> list[Camera]:
        """Return those of these cameras that there are.

        Raises:
            UnavailableError: MongoDB does not answer.
        """
        with mongo_errors("cannot read cameras"):
            found = list(self._collection.find({"_id": {"$in": [*camera_ids]}}))
        return [camera for document in found if (camera := _camera(document)) is not None]


@dataclass(frozen=True)
class CameraChanges:
    """What has changed since the last look."""

    changed: Mapping[str, Camera]
    removed: frozenset[str]


class CamerasFollower:
    """Tells what has changed in the cameras since it was last asked. To ask each second costs one small query."""

    def __init__(self, cameras: Cameras) -> None:
        self._cameras = cameras
        self._seen: dict[str, str] = {}

    def poll(self) -> CameraChanges:
        """Return the cameras that are new or were written, and the ids that are gone. The first call gives all.

        Raises:
            UnavailableError: MongoDB does not answer; the next call misses nothing.
        """
        revisions = self._cameras.revisions()
        differing = [camera_id for camera_id, mark in revisions.items() if self._seen.get(camera_id) != mark]
        cameras = self._cameras.of_ids(differing) if differing else []
        removed = frozenset(self._seen.keys() - revisions.keys())
        self._seen = revisions
        return CameraChanges({camera.camera_id: camera for camera in cameras}, removed)


class RemoteCameras:
    """Follows the cameras over a connection of its own, made by the first look."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: MongoClient[Document] | None = None
        self._follower: CamerasFollower | None = None

    def poll(self) -> CameraChanges:
        """Return what has changed since the last look. The first call gives all cameras.

        Raises:
            UnavailableError: MongoDB does not answer; the next call misses nothing.
        """
        if self._follower is None:
            with mongo_errors("cannot connect to MongoDB"):
                self._client = connect(self._settings)
            self._follower = CamerasFollower(Cameras(self._client, self._settings))
        return self._follower.poll()

    def close(self) -> None:
        """Disconnect."""
        if self._client is not None:
            self._client.close()


def _mark(document: Document) -> str:
    mark = document.get(_REVISION)
    return mark if isinstance(mark, str) and mark else _UNMARKED


def _has_mark(mark: str) -> Document:
    return {_REVISION: {"$in": [None, ""]} if mark == _UNMARKED else mark}


def _camera(document: Document) -> Camera | None:
    """Build a camera from its document without the parts that cannot act, which are logged; None if nothing is left."""
    fields = {name: value for name, value in document.items() if name not in ("_id", _REVISION)}
    camera, problems = read_usable(fields)
    if problems:
        log.warning("camera %s: left out what cannot act: %s", document["_id"], "; ".join(problems))
    return camera
