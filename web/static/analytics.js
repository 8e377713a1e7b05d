// The analytics of one camera over a period: a panel for each use, read when it comes into view.

import { ApiError, allItems, getJson, showNotice } from "./api.js";
import { element } from "./dom.js";
import { USES, UsePanel } from "./uses.js";

const BUCKETS = [10, 60, 300, 900, 3600, 21_600, 86_400];
const POINTS = 120;

const byId = (id) => document.getElementById(id);
const form = byId("pickers");

/** A bucket that gives a chart about as many points as can be seen. */
const bucketOf = (seconds) => BUCKETS.find((bucket) => seconds / bucket <= POINTS) ?? BUCKETS.at(-1);

function period() {
  const { period: chosen, from, to } = form.elements;
  const end = chosen.value || !to.value ? new Date() : new Date(to.value);
  const start = chosen.value || !from.value ? new Date(end - Number(chosen.value || 3600) * 1000) : new Date(from.value);
  return { from: start.toISOString(), to: end.toISOString(), bucket: bucketOf((end - start) / 1000) };
}

/** Cameras with a document, and those that are known by their frames alone. */
async function readCameras() {
  const known = await allItems("/api/cameras").catch((error) => {
    if (!(error instanceof ApiError)) throw error;
    return [];
  });
  const { cameras: seen } = await getJson("/overview.json");
  const cameras = new Map(seen.map(({ camera_id }) => [camera_id, { camera_id, name: "", venue: null, zones: [], lines: [] }]));
  for (const camera of known) cameras.set(camera.camera_id, camera);
  return [...cameras.values()].sort((a, b) => a.camera_id.localeCompare(b.camera_id, undefined, { numeric: true }));
}

let cameras = [];
let panels = [];

function show() {
  const camera = cameras.find(({ camera_id }) => camera_id === form.elements.camera.value);
  if (!camera) return;
  const asked = period();
  history.replaceState(null, "", `?camera=${encodeURIComponent(camera.camera_id)}`);
  for (const panel of panels) panel.show(camera, asked);
}

async function start() {
  try {
    cameras = await readCameras();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return showNotice(byId("uses"), error.message);
  }
  byId("empty").hidden = cameras.length > 0;
  form.hidden = cameras.length === 0;
  const wanted = new URLSearchParams(location.search).get("camera");
  form.elements.camera.replaceChildren(
    ...cameras.map(({ camera_id, name }) => element("option", { value: camera_id, selected: camera_id === wanted }, name || camera_id)),
  );
  if (!cameras.length) return;
  panels = USES.map((use) => new UsePanel(use));
  byId("uses").replaceChildren(...panels.map((panel) => panel.root));
  show();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  show();
});
form.elements.camera.addEventListener("change", show);
form.elements.period.addEventListener("change", () => {
  byId("own-period").hidden = form.elements.period.value !== "";
  if (form.elements.period.value) show();
});
start();
