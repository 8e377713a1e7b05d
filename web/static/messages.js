// Messages: sends them, and follows those of everybody, each once.

import { ApiError, attempt, fetchJson, sendJson, showNotice, withQuery } from "./api.js";
import { element, setText } from "./dom.js";
import { time, timeInFull } from "./words.js";

const WAIT_S = 20;
const AGAIN_MS = 3000;
const KEPT = 500;

const byId = (id) => document.getElementById(id);
const list = byId("messages");
const form = byId("send");
const client = `page-${crypto.randomUUID?.() ?? Math.random().toString(36).slice(2)}`; // each page follows for itself

function add({ at, value }) {
  const { content, sender } = typeof value === "object" ? value : { content: value, sender: null };
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  const head = element("header", {}, element("b", {}, sender ?? "a program"), element("time", { datetime: at, title: timeInFull(at) }, time(at)));
  list.append(element("li", { "data-mine": sender === form.elements.sender.value }, head, element("p", {}, content ?? JSON.stringify(value))));
  while (list.children.length > KEPT) list.firstElementChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
  byId("empty").hidden = true;
}

async function follow() {
  let wait = 0; // the first answer comes at once
  for (;;) {
    try {
      const [, { messages }] = await fetchJson(withQuery("/receive", { client, topics: list.dataset.topic, wait }));
      wait = WAIT_S;
      for (const message of messages) add(message);
      byId("link").dataset.state = "live";
      setText(byId("link"), "Following");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      byId("link").dataset.state = "lost";
      setText(byId("link"), "No connection. Trying again…");
      if (!list.children.length) showNotice(byId("notices"), error.message);
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { content, sender } = form.elements;
  const went = await attempt(byId("notices"), () => sendJson("POST", withQuery("/send", { topic: list.dataset.topic }), { content: content.value, sender: sender.value }));
  if (went) content.value = "";
  content.focus();
});
follow();
