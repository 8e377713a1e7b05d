// A camera's page: its live picture, the editor over it, its settings and its counts.

import { ApiError, cameAt, cameraUrl, fetchJson, getJson, pictureUrl, showNotice, withQuery } from "./api.js";
import { fillCameraForm } from "./camera_form.js";
import { TimeChart } from "./chart.js";
import { element, setText } from "./dom.js";
import { Editor } from "./editor.js";
import { button } from "./forms.js";
import { LiveResults } from "./live.js";
import { PictureView } from "./picture.js";
import { fillShapeForm } from "./shape_form.js";
import { newGround, occupancy } from "./shapes.js";
import { followCaptures, StateBadge } from "./state.js";
import { number, time, timeInFull } from "./words.js";

const PICTURE_EVERY_MS = 200;
const COUNTS_EVERY_MS = 10_000;
const CLOCK_EVERY_MS = 10_000;
const CLOCK_WRONG_S = 5;
const COUNTS_S = 3600;
const COUNTS_BUCKET_S = 60;
const MINUTE_MS = 60_000;
const LINK_WORDS = { live: "Live", lost: "No live results. Trying again…" };

const byId = (id) => document.getElementById(id);
const camera_id = byId("title").dataset.camera;
const mayEdit = document.body.dataset.role !== "viewer";

const view = new PictureView();
const badge = new StateBadge();
const editor = new Editor({ onChange: onEdited, onHint: (words) => setText(byId("tool-hint"), words) });
const minutes = new Map(); // of each zone's name: [ms, count] of the last minute
let camera = null;
let tag = null; // names the state of the document that was read
let models = [];
let result = null;
let shown = null;
let loading = false;
let isNew = false;

// ---- The document

async function load() {
  try {
    [, camera, tag] = await fetchJson(cameraUrl(camera_id));
    isNew = false;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status !== 404) return showNotice(byId("notices"), `The camera's settings cannot be read: ${error.message}`);
    isNew = true;
    tag = null;
    camera = { camera_id };
  }
  models = await getJson("/api/models").then(({ items }) => items, () => []);
  camera = { ...emptyCamera(), ...camera };
  byId("title").textContent = camera.name || camera_id;
  editor.edit(camera);
  fillCameraForm(byId("settings"), camera, models, markChanged, isNew);
  showShapes();
  for (const id of ["draw-zone", "draw-line", "draw-ground"]) byId(id).disabled = !mayEdit;
  if (!mayEdit) for (const input of byId("settings").elements) input.disabled = true;
  byId("save").disabled = true;
  setText(byId("saved"), "");
}

const emptyCamera = () => ({
  camera_id, name: "", venue: null, source: null, model: null, classes: null, confidence_threshold: null, max_age_ms: null, zones: [], lines: [],
  ground_plane: null, distance_limit_m: 1.5, rules: {}, retention_days: 30, blur_faces: false, time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC",
});

function markChanged() {
  byId("save").disabled = !mayEdit;
  setText(byId("saved"), mayEdit ? "Not saved yet" : "Your role may look, not change");
}

async function save() {
  byId("save").disabled = true;
  const sent = JSON.stringify(camera);
  try {
    const headers = { "Content-Type": "application/json", ...(tag ? { "If-Match": tag } : { "If-None-Match": "*" }) };
    [, , tag] = await fetchJson(cameraUrl(camera_id), { method: "PUT", body: sent, headers });
    byId("notices").replaceChildren();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    markChanged();
    return error.status === 412 ? showConflict() : showNotice(byId("notices"), error.message);
  }
  isNew = false;
  byId("title").textContent = camera.name || camera_id;
  if (sent !== JSON.stringify(camera)) return markChanged();
  setText(byId("saved"), "Saved");
}

/** Say that somebody else was faster: what is on this page would undo their change. */
function showConflict() {
  showNotice(byId("notices"), "Somebody else has changed this camera since you opened it. Nothing was saved. Reload it to see their changes; yours are lost then.");
  const reload = button("Reload the camera", async () => {
    await load();
    byId("notices").replaceChildren();
  });
  byId("notices").append(reload);
}

// ---- Zones and lines

function onEdited(what) {
  if (what === "shape") markChanged();
  showShapes();
  if (what === "selection" || editor.selected?.kind === "ground") showSelected();
}

function showSelected() {
  byId("selected").hidden = !editor.current;
  if (editor.current) fillShapeForm(byId("selected"), editor, { disabled: !mayEdit, onRename: showShapes });
  byId("draw-ground").setAttribute("aria-pressed", String(editor.selected?.kind === "ground"));
}

function showShapes() {
  const rows = [
    ...camera.zones.map((zone, index) => shapeRow({ kind: "zone", index }, zone, zoneWords(zone))),
    ...camera.lines.map((line, index) => shapeRow({ kind: "line", index }, line, `Line${line.venue ? `, into ${line.venue}` : ""}`)),
  ];
  const focused = document.activeElement?.closest?.(".shape-row")?.dataset.shape;
  byId("shapes").replaceChildren(...rows);
  if (focused) byId("shapes").querySelector(`[data-shape="${CSS.escape(focused)}"]`)?.focus();
  byId("no-shapes").hidden = rows.length > 0;
  showOccupancy();
}

const zoneWords = (zone) => [`Zone: ${zone.roles.join(", ") || "no role"}`, zone.limit === null ? null : `limit ${number(zone.limit)}`].filter(Boolean).join(", ");

function shapeRow(shape, { name }, words) {
  const selected = editor.selected?.kind === shape.kind && editor.selected.index === shape.index;
  const parts = [element("b", {}, name), element("small", {}, words)];
  if (shape.kind === "zone") parts.push(element("output", { "data-zone": name, "aria-label": `In ${name} now` }, "–"));
  const row = element("button", { type: "button", class: "shape-row", "aria-pressed": String(selected), "data-shape": `${shape.kind} ${name}` }, ...parts);
  row.addEventListener("click", () => editor.select(selected ? null : shape));
  return element("li", {}, row);
}

/** How many are in each zone: as the newest result has it, and over the last minute of this page. */
function showOccupancy() {
  if (!result || !camera) return;
  for (const output of byId("shapes").querySelectorAll("output")) {
    const zone = camera.zones.find(({ name }) => name === output.dataset.zone);
    const count = zone && occupancy(result, zone);
    if (count === null || count === undefined) continue;
    const at = Date.parse(result.captured_at);
    const kept = (minutes.get(zone.name) ?? []).filter(([ms]) => at - ms < MINUTE_MS && ms !== at);
    kept.push([at, count]);
    minutes.set(zone.name, kept);
    setText(output, number(count));
    const mean = kept.reduce((sum, [, one]) => sum + one, 0) / kept.length;
    output.title = `Last minute: ${number(mean)} on average`;
    output.closest(".shape-row").toggleAttribute("data-over", zone.limit !== null && count > zone.limit);
  }
}

// ---- Live

function take(next) {
  if (result && cameAt(next) <= cameAt(result)) return;
  result = next;
  setText(byId("count"), next.status === "ok" ? number(next.total_faces) : "–");
  setText(byId("count-unit"), next.total_faces === 1 ? "face" : "faces");
  setText(byId("when"), time(next.captured_at));
  byId("when").title = timeInFull(next.captured_at);
  showOccupancy();
  refresh();
}

async function refresh() {
  if (loading || document.hidden || result === shown) return;
  loading = true;
  shown = result;
  if (shown.image) {
    const aspect = shown.image.width / shown.image.height;
    view.root.style.aspectRatio = String(aspect);
    editor.setAspect(aspect);
  }
  await view.show(shown, pictureUrl(shown));
  setTimeout(() => {
    loading = false;
    refresh();
  }, PICTURE_EVERY_MS);
}

async function showNewest() {
  try {
    const { items } = (await fetchJson(withQuery("/api/frames", { camera: camera_id, limit: 1 })))[1];
    if (items.length) take(items[0]);
    else if (!result) view.say("No picture has come from this camera yet", "waiting");
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    showNotice(byId("notices"), error.message);
  }
}

/** Say how the capture goes; nothing of a camera whose pictures a program sends. */
function showCapture(capture) {
  badge.show(capture?.state, capture?.error);
  if (capture && isNew && byId("save").disabled) load(); // somebody has made its document since
  setText(byId("trouble"), capture?.state === "offline" ? capture.error : "");
}

/** Say by how much the camera's clock is wrong, where that is more than a few seconds. */
async function showClock() {
  if (!document.hidden) {
    try {
      const { items } = await getJson("/api/camera-clocks");
      const skew_s = items.find((one) => one.camera_id === camera_id)?.skew_s ?? 0;
      const wrong = Math.abs(skew_s) >= CLOCK_WRONG_S;
      setText(byId("clock"), wrong ? `Its clock is ${number(Math.abs(skew_s))} s ${skew_s > 0 ? "ahead" : "behind"}` : "");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // shown at the next try
    }
  }
  setTimeout(showClock, CLOCK_EVERY_MS);
}

// ---- Counts

const chart = new TimeChart({ label: "Faces", series: [{ key: "max", label: "Most", kind: "bar" }, { key: "mean", label: "Mean", kind: "line" }] });

async function showCounts() {
  if (!document.hidden) {
    const to = new Date();
    const from = new Date(to - COUNTS_S * 1000);
    const query = { camera: camera_id, from: from.toISOString(), to: to.toISOString(), bucket: COUNTS_BUCKET_S };
    try {
      const answer = await getJson(withQuery("/api/analytics/occupancy", query));
      if (!chart.root.isConnected) byId("counts").replaceChildren(chart.root);
      chart.show(answer.series, answer);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      showNotice(byId("counts"), `Counts over time cannot be shown: ${error.message}`);
    }
  }
  setTimeout(showCounts, COUNTS_EVERY_MS);
}

byId("live").append(view.root);
view.root.append(editor.root, badge.root);
byId("save").addEventListener("click", save);
byId("draw-zone").addEventListener("click", () => editor.begin("zone"));
byId("draw-line").addEventListener("click", () => editor.begin("line"));
byId("draw-ground").addEventListener("click", () => {
  if (editor.selected?.kind === "ground") return editor.select(null);
  if (!camera.ground_plane) {
    camera.ground_plane = newGround();
    markChanged();
  }
  editor.select({ kind: "ground" });
});
addEventListener("beforeunload", (event) => !byId("save").disabled && event.preventDefault());
await load();
showNewest();
new LiveResults(withQuery("/api/live", { camera: camera_id }), take, (streaming) => {
  byId("link").dataset.state = streaming ? "live" : "lost";
  setText(byId("link"), LINK_WORDS[byId("link").dataset.state]);
  if (streaming) showNewest();
});
followCaptures((captures) => showCapture(captures.get(camera_id)));
showClock();
showCounts();
