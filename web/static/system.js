// The system: each role, the servers, the lag, the queues and the pace.

import { ApiError, getJson, showNotice } from "./api.js";
import { DeadLetters } from "./dead.js";
import { element, setText } from "./dom.js";
import { duration, number, words } from "./words.js";

const EVERY_MS = 2000;
const NEEDS = { kafka: "Kafka", redis: "Redis", mongodb: "MongoDB", prepared: "Topics and indexes", follower: "Live results" };
const byId = (id) => document.getElementById(id);

const state = (name, text = words(name)) => element("span", { class: "dot-state", "data-state": name }, text);
const figure = (value) => element("td", { class: "figure" }, value === null ? "–" : number(value));

function table(place, caption, head, rows, empty) {
  if (!rows.length) return place.replaceChildren(element("p", { class: "padded soft" }, empty));
  const heads = head.map((name, column) => element("th", { scope: "col", class: column ? "figure" : null }, name));
  place.replaceChildren(
    element(
      "div", { class: "table-box", tabindex: 0, role: "region", "aria-label": caption },
      element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row)))),
    ),
  );
}

const rowHead = (text) => element("th", { scope: "row" }, text);

function show({ pace, roles, needs, lag, queues }) {
  setText(byId("throughput"), number(pace.results_per_s));
  setText(byId("latency"), pace.latency_s === null ? "–" : duration(pace.latency_s));
  setText(byId("inference"), pace.inference_s === null ? "–" : duration(pace.inference_s));
  setText(byId("waiting"), number(queues.reduce((sum, { length }) => sum + length, 0)));
  const told = ({ figures }) => Object.entries(figures).map(([name, value]) => `${words(name).toLowerCase()} ${number(value)}`).join(", ");
  table(byId("roles"), "Roles", ["Role", "State", "Figures"], roles.map((role) => [
    rowHead(role.name), element("td", { class: "figure" }, state(role.state)), element("td", { class: "figure soft" }, role.problem ?? told(role)),
  ]), "No other role is named to the web. CROWDWATCH_ROLE_URLS tells it where they serve their metrics.");
  table(byId("needs"), "Servers", ["Server", "State"], Object.entries(needs).map(([name, problem]) => [
    rowHead(NEEDS[name] ?? words(name)), element("td", { class: "figure" }, state(problem ? "failed" : "ready", problem ?? "Ready")),
  ]), "");
  table(byId("lag"), "Consumer lag", ["Topic", "Partition", "Lag", "In flight"], lag.map(({ topic, partition, lag: behind, in_flight }) => [
    rowHead(topic), figure(partition), figure(behind), figure(in_flight),
  ]), "The bridge does not tell its lag.");
  table(byId("queues"), "Queues", ["Queue", "Tasks that wait"], queues.map(({ name, length }) => [rowHead(name), figure(length)]), "Redis does not answer.");
}

async function poll() {
  if (!document.hidden) {
    try {
      show(await getJson("/system.json"));
      byId("notices").replaceChildren();
      byId("link").dataset.state = "live";
      setText(byId("link"), "Live");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      showNotice(byId("notices"), error.message);
      byId("link").dataset.state = "lost";
      setText(byId("link"), "No connection. Trying again…");
    }
  }
  setTimeout(poll, EVERY_MS);
}

if (byId("dead")) new DeadLetters(byId("dead"));
poll();
