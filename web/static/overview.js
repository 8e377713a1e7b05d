// The first page: polls the overview, and follows the results live in between.

import { ApiError, fetchJson, getJson } from "./api.js";
import { CameraCard } from "./card.js";
import { element, setText } from "./dom.js";
import { LiveResults } from "./live.js";
import { followCaptures } from "./state.js";
import { installUpload } from "./upload.js";
import { number } from "./words.js";

const POLL_LIVE_MS = 2000;
const POLL_ALONE_MS = 1000;
const ALERTS_EVERY_MS = 5000;
const LINK_WORDS = { connecting: "Connecting…", live: "Live", polling: "Updated every second", lost: "No connection. Trying again…" };

const byId = (id) => document.getElementById(id);
const cards = new Map();
const offline = new Map(); // of each camera whose capture fails: why
let streaming = false;
let lost = false;

function showLink() {
  const state = lost ? "lost" : streaming ? "live" : "polling";
  byId("link").dataset.state = state;
  setText(byId("link"), LINK_WORDS[state]);
}

function showOverview(overview) {
  const { totals, cameras, trend } = overview;
  setText(byId("total-faces"), number(totals.faces_now));
  setText(byId("total-frames"), number(totals.frames));
  byId("total-cameras").replaceChildren(number(totals.live_cameras), element("small", {}, ` of ${number(totals.cameras)}`));
  byId("empty").hidden = cameras.length + offline.size > 0;
  for (const camera of cameras) cardOf(camera.camera_id).update(camera, trend);
  for (const camera_id of offline.keys()) cardOf(camera_id);
  showTroubles();
  const known = new Set([...cameras.map((camera) => camera.camera_id), ...offline.keys()]);
  for (const [camera_id, card] of cards) {
    if (known.has(camera_id)) continue;
    card.root.remove();
    cards.delete(camera_id);
  }
  putInOrder();
}

/** Say which cameras are offline, and why. */
function showTroubles() {
  for (const [camera_id, card] of cards) card.setTrouble(offline.get(camera_id) ?? null);
}

function cardOf(camera_id) {
  if (!cards.has(camera_id)) cards.set(camera_id, new CameraCard(camera_id));
  return cards.get(camera_id);
}

/** Cameras that are at work first, then the quiet ones; each by name. Cards move only when they must. */
function putInOrder() {
  const byName = ([a], [b]) => a.localeCompare(b, undefined, { numeric: true });
  const byWork = ([, a], [, b]) => Number(a.isQuiet) - Number(b.isQuiet);
  const wanted = [...cards].sort((a, b) => byWork(a, b) || byName(a, b)).map(([, card]) => card.root);
  wanted.forEach((root, place) => {
    if (byId("cards").children[place] !== root) byId("cards").insertBefore(root, byId("cards").children[place] ?? null);
  });
}

async function poll() {
  if (!document.hidden) {
    try {
      showOverview((await fetchJson("/overview.json"))[1]);
      lost = false;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      lost = true;
    }
    showLink();
  }
  setTimeout(poll, streaming ? POLL_LIVE_MS : POLL_ALONE_MS);
}

/** Alerts that nobody has seen. */
async function countAlerts() {
  if (!document.hidden) {
    try {
      const alerts = await getJson("/api/alerts?limit=200");
      const open = alerts.items.filter((alert) => !alert.acknowledged_at && !alert.cleared_at).map(({ camera_id }) => camera_id);
      for (const [camera_id, card] of cards) card.setAlerts(open.filter((one) => one === camera_id).length);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // the poll of the overview tells of it
    }
  }
  setTimeout(countAlerts, ALERTS_EVERY_MS);
}

installUpload(byId("upload"), byId("results"));
new LiveResults(
  "/api/live",
  (result) => cards.get(result.camera_id)?.take(result),
  (isStreaming) => {
    streaming = isStreaming;
    if (cards.size || isStreaming) showLink();
  },
);
poll();
countAlerts();
followCaptures((captures) => {
  offline.clear();
  for (const [camera_id, { state, error }] of captures) if (state === "offline") offline.set(camera_id, error);
  showTroubles();
});
