// Uploads: pictures are detected at once; a video becomes a job with progress, results and a button that cancels it.

import { csv, download } from "./files.js";
import { element } from "./dom.js";
import { JobList } from "./jobs.js";
import { installUpload } from "./upload.js";

const byId = (id) => document.getElementById(id);
const HEAD = ["file", "camera_id", "frame_id", "captured_at", "status", "error", "face_id", "x", "y", "width", "height", "confidence"];
const results = [];
const jobs = new JobList(byId("jobs"), byId("no-jobs"), byId("notices"));

/** When the video was recorded, as chosen in the browser's time zone; null if nothing was chosen. */
const capturedAt = () => (byId("captured-at").value ? new Date(byId("captured-at").value).toISOString() : null);

installUpload(byId("upload"), byId("results"), {
  onTaken: () => (byId("no-results").hidden = true),
  onResult: (file, result) => {
    results.push({ file, ...result });
    byId("download").hidden = false;
  },
  onVideo: (file) => jobs.send(file, capturedAt()),
});

byId("download-json").addEventListener("click", () => {
  download("crowdwatch-results.json", new Blob([JSON.stringify(results, null, 2)], { type: "application/json" }));
});
byId("download-csv").addEventListener("click", () => {
  const rows = results.flatMap((result) => {
    const about = [result.file, result.camera_id, result.frame_id, result.captured_at, result.status, result.error];
    if (!result.faces.length) return [about];
    return result.faces.map(({ face_id, bounding_box: { x, y, width, height }, confidence }) => [...about, face_id, x, y, width, height, confidence]);
  });
  download("crowdwatch-results.csv", csv([HEAD, ...rows]));
});
