// Alerts, newest first: filters, pictures, acknowledgement, and new ones as they come.

import { allItems, ApiError, attempt, call, cameraPage, getJson, showNotice, withQuery } from "./api.js";
import { element, setText } from "./dom.js";
import { button } from "./forms.js";
import { LiveResults } from "./live.js";
import { time, timeInFull, words } from "./words.js";

const PAGE = 50;
const POLL_MS = 10_000;

const byId = (id) => document.getElementById(id);
const filters = byId("filters");
const mayAcknowledge = document.body.dataset.role !== "viewer";
const alerts = new Map();
let cursor = null;

const stateOf = (alert) => (alert.acknowledged_at ? "acknowledged" : alert.cleared_at ? "cleared" : "open");

function isWanted(alert) {
  const { camera, severity, state } = Object.fromEntries(new FormData(filters));
  return (!camera || alert.camera_id === camera) && (!severity || alert.severity === severity) && (!state || stateOf(alert) === state);
}

function show() {
  const wanted = [...alerts.values()].filter(isWanted).sort((a, b) => Date.parse(b.raised_at) - Date.parse(a.raised_at));
  const rows = new Map([...byId("alerts").children].map((row) => [row.dataset.key, row]));
  const keyOf = (alert) => [alert.alert_id, alert.cleared_at, alert.acknowledged_at].join();
  const next = wanted.map((alert) => rows.get(keyOf(alert)) ?? rowOf(alert, keyOf(alert)));
  if (next.length !== rows.size || next.some((row, place) => byId("alerts").children[place] !== row)) byId("alerts").replaceChildren(...next);
  byId("empty").hidden = wanted.length > 0 || cursor !== null;
  byId("more").hidden = cursor === null;
}

function rowOf(alert, key) {
  const picture = element("img", { src: `/api/alerts/${encodeURIComponent(alert.alert_id)}/picture`, alt: `What ${alert.camera_id} showed`, loading: "lazy" });
  picture.addEventListener("error", () => picture.remove());
  const where = element("p", {}, element("a", { href: cameraPage(alert.camera_id) }, alert.camera_id), alert.zone ? `, ${alert.zone}` : "", ` · ${words(alert.rule)}`);
  const when = element("p", {}, element("time", { datetime: alert.raised_at, title: timeInFull(alert.raised_at) }, time(alert.raised_at)), ...history(alert));
  const sent = (alert.sent ?? []).map(({ channel, ok }) => `${channel}${ok ? "" : " (failed)"}`);
  const text = element("div", { class: "alert-text" }, element("h2", {}, alert.message), where, when);
  if (sent.length) text.append(element("p", {}, `Sent to ${sent.join(", ")}`));
  const end = element("div", { class: "alert-end" });
  if (alert.acknowledged_at) end.append(element("p", {}, `Acknowledged${alert.acknowledged_by ? ` by ${alert.acknowledged_by}` : ""}`));
  else if (mayAcknowledge) end.append(button("Acknowledge", () => acknowledge(alert), { "aria-label": `Acknowledge: ${alert.message}` }));
  return element("li", { class: "panel alert", "data-severity": alert.severity, "data-key": key }, picture, text, end);
}

const history = (alert) => [` · ${words(alert.severity)}`, alert.cleared_at ? ` · cleared ${time(alert.cleared_at)}` : " · not cleared"];

async function acknowledge(alert) {
  await attempt(byId("notices"), async () => {
    await call("POST", `/api/alerts/${encodeURIComponent(alert.alert_id)}/ack`);
    await read();
  });
}

async function read() {
  const { camera } = Object.fromEntries(new FormData(filters));
  const page = await getJson(withQuery("/api/alerts", { camera, limit: PAGE }));
  for (const alert of page.items) alerts.set(alert.alert_id, alert);
  if (cursor === null && alerts.size <= page.items.length) cursor = page.next;
  show();
}

async function readOlder() {
  await attempt(byId("notices"), async () => {
    const { camera } = Object.fromEntries(new FormData(filters));
    const page = await getJson(withQuery("/api/alerts", { camera, limit: PAGE, cursor }));
    for (const alert of page.items) alerts.set(alert.alert_id, alert);
    cursor = page.next;
    show();
  });
}

async function start() {
  const known = await allItems("/api/cameras").catch(() => []);
  filters.elements.camera.append(...known.map(({ camera_id, name }) => element("option", { value: camera_id }, name || camera_id)));
  poll();
}

async function poll() {
  if (!document.hidden) {
    try {
      await read();
      byId("notices").replaceChildren();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      showNotice(byId("notices"), `Alerts cannot be read: ${error.message}`);
    }
  }
  setTimeout(poll, POLL_MS);
}

filters.addEventListener("change", async (event) => {
  if (event.target.name !== "camera") return show();
  alerts.clear();
  cursor = null;
  await attempt(byId("notices"), read);
});
byId("more").addEventListener("click", readOlder);
new LiveResults(
  "/api/live",
  () => {},
  (streaming) => {
    byId("link").dataset.state = streaming ? "live" : "polling";
    setText(byId("link"), streaming ? "Live" : "Updated every ten seconds");
  },
  (alert) => {
    alerts.set(alert.alert_id, alert);
    show();
  },
);
start();
