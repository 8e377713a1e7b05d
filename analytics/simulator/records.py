"""Simulated frames as the records of `Faces`."""

from datetime import timedelta

from analytics.simulator.detector import SimulatedFrame
from contracts.faces import BoundingBox, Face, FacesRecord, ImageSize, ModelInfo, Status
from contracts.offsets import SourceOffset
from contracts.times import from_epoch_ms

_MODEL = ModelInfo("simulated", "1", 0.5)


def to_record(frame: SimulatedFrame, camera_id: str, image: ImageSize, offset: int | None = None) -> FacesRecord:
    """Return the result that a detector would have published of a frame; whole pixels, times in milliseconds."""
    faces = []
    for number, (box, confidence) in enumerate(
        zip(frame.boxes_xyxy.round().astype(int), frame.confidence, strict=True)
    ):
        left, top, right, bottom = (int(side) for side in box)
        faces.append(Face(number, BoundingBox(left, top, right - left, bottom - top), round(float(confidence), 4)))
    at = from_epoch_ms(round(frame.at_s * 1000))
    source = SourceOffset("frames", 0, frame.frame_id if offset is None else offset)
    return FacesRecord(
        source=source,
        camera_id=camera_id,
        frame_id=frame.frame_id,
        captured_at=at,
        detected_at=at + timedelta(milliseconds=120),
        status=Status.OK,
        faces=tuple(faces),
        image=image,
        model=_MODEL,
        inference_ms=20.0,
    )
