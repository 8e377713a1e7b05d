// Dead letters: the newest, what each holds, and another try for them.

import { ApiError, attempt, getJson, resultUrl, sendJson, showNotice, withQuery } from "./api.js";
import { element, setText } from "./dom.js";
import { button } from "./forms.js";
import { number, time, timeInFull } from "./words.js";

const EVERY_MS = 10_000;
const SHOWN = 10;
const HEADS = ["Time", "Camera", "Reason", "Attempts", "Retried as"];

/** The section of dead letters on the page System, for those who may see it. */
export class DeadLetters {
  constructor(section) {
    const find = (name) => section.querySelector(`[data-dead="${name}"]`);
    this.count = find("count");
    this.notices = find("notices");
    this.told = find("told");
    this.table = find("table");
    this.older = find("older");
    this.all = find("all");
    this.filters = find("filters");
    this.dialog = new LetterDialog(find("dialog"), (letter, again) => this.retry(letter, again), (letter) => this.focus(letter));
    this.older.addEventListener("click", () => attempt(this.notices, () => this.readOlder()));
    this.all.addEventListener("click", () => this.retryAll());
    this.filters.addEventListener("submit", (event) => {
      event.preventDefault();
      attempt(this.notices, () => this.read());
    });
    this.letters = [];
    this.shown = "";
    this.isLong = false;
    this.poll();
  }

  get query() {
    return Object.fromEntries(new FormData(this.filters));
  }

  async poll() {
    if (!document.hidden && !this.isLong) {
      try {
        await this.read();
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        showNotice(this.notices, `Dead letters cannot be read: ${error.message}`);
      }
    }
    setTimeout(() => this.poll(), EVERY_MS);
  }

  async read() {
    this.isLong = false;
    const page = await getJson(withQuery("/api/dead", { ...this.query, limit: SHOWN }));
    this.letters = page.items;
    this.show(page);
  }

  async readOlder() {
    this.isLong = true;
    const page = await getJson(withQuery("/api/dead", { ...this.query, limit: SHOWN, cursor: this.cursor }));
    this.letters = [...this.letters, ...page.items];
    this.show(page);
  }

  show({ next, count }) {
    this.cursor = next;
    this.older.hidden = !next;
    this.all.hidden = !this.letters.length;
    setText(this.count, `${number(count)} in all`);
    const shown = JSON.stringify(this.letters);
    if (shown === this.shown) return;
    this.shown = shown;
    const focused = document.activeElement?.dataset?.letter;
    this.table.replaceChildren(this.letters.length ? this.tableOf(this.letters) : element("p", { class: "padded soft" }, this.nothing()));
    if (focused) this.table.querySelector(`[data-letter="${CSS.escape(focused)}"]`)?.focus();
  }

  nothing() {
    const isFiltered = Object.values(this.query).some(Boolean);
    return isFiltered ? "No dead letter matches." : "There is none: every record could be processed.";
  }

  tableOf(letters) {
    const heads = HEADS.map((name) => element("th", { scope: "col", class: name === "Attempts" ? "figure" : null }, name));
    const rows = letters.map((letter) => {
      const name = `${letter.id}, ${letter.camera_id ?? "no camera"}`;
      const buttons = [button("Show", () => attempt(this.notices, () => this.dialog.open(letter)), { "aria-label": `Show ${name}`, "data-letter": `${letter.id} show` })];
      if (!letter.why_not && !letter.retry) buttons.push(button("Retry", () => this.retry(letter, false), { "aria-label": `Retry ${name}`, "data-letter": `${letter.id} retry` }));
      return element(
        "tr", {},
        element("th", { scope: "row" }, element("time", { datetime: letter.at, title: timeInFull(letter.at) }, time(letter.at))),
        element("td", {}, letter.camera_id ?? "–"), element("td", {}, letter.error),
        element("td", { class: "figure" }, letter.attempts === null ? "–" : number(letter.attempts)),
        element("td", {}, ...placeOf(letter.retry)), element("td", { class: "figure" }, element("div", { class: "buttons end" }, ...buttons)),
      );
    });
    return element(
      "div", { class: "table-box", tabindex: 0, role: "region", "aria-label": "Dead letters" },
      element("table", {}, element("thead", {}, element("tr", {}, ...heads, element("th", {}, element("span", { class: "hidden-visually" }, "Actions")))), element("tbody", {}, ...rows)),
    );
  }

  async retry({ id, camera_id }, again) {
    await attempt(this.notices, async () => {
      const { to } = await sendJson("POST", withQuery(`/api/dead/${id}/retry`, { again: again || null }), {});
      this.tell(`${camera_id ?? id} was retried, as ${to}.`);
      await this.read();
    });
    this.focus({ id });
  }

  /** Go back to a letter's row: a button that was pressed is disabled meanwhile, and may be gone. */
  focus({ id }) {
    this.table.querySelector(`[data-letter="${CSS.escape(`${id} show`)}"]`)?.focus();
  }

  async retryAll() {
    if (!confirm("Retry every dead letter that matches and was not retried before?")) return;
    this.all.disabled = true;
    let [retried, refused, cursor] = [0, 0, null];
    await attempt(this.notices, async () => {
      do {
        const answer = await sendJson("POST", withQuery("/api/dead/retry", this.query), { all: true, cursor });
        retried += answer.retried;
        refused += answer.refused;
        cursor = answer.next;
        this.tell(`${number(retried)} retried${refused ? `, ${number(refused)} cannot be retried` : ""}${cursor ? "…" : "."}`);
      } while (cursor);
      await this.read();
    });
    this.all.disabled = false;
    this.all.focus();
  }

  tell(text) {
    setText(this.told, text);
  }
}

/** What one letter holds. */
class LetterDialog {
  constructor(dialog, onRetry, onClose) {
    this.dialog = dialog;
    this.onRetry = onRetry;
    dialog.addEventListener("close", () => onClose(this.letter));
  }

  async open({ id }) {
    const letter = await getJson(`/api/dead/${id}`);
    this.letter = letter;
    const facts = [
      ["Reason", letter.error], ["Camera", letter.camera_id ?? "–"], ["Record", letter.source ?? "unknown"],
      ["Put aside", timeInFull(letter.at)], ["Attempts", letter.attempts ?? "–"], ["Size", `${number(letter.size_bytes)} bytes`],
      ["Key", letter.key ?? "–"], ...letter.headers.map(({ name, value }) => [name, value]),
    ];
    if (letter.retry) facts.push(["Retried", `${time(letter.retry.at)}, by ${letter.retry.by}`], ["Retried as", letter.retry.to ?? "being sent"]);
    if (letter.why_not) facts.push(["Cannot be retried", letter.why_not]);
    const list = element("dl", { class: "facts" }, ...facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, String(value)))));
    const buttons = [button("Close", () => this.dialog.close())];
    if (!letter.why_not) buttons.unshift(button(letter.retry ? "Retry again" : "Retry", () => this.retry(letter)));
    this.dialog.replaceChildren(
      element("h3", { id: "letter-title" }, `Dead letter ${letter.id}`), list, ...this.preview(letter), element("div", { class: "buttons" }, ...buttons),
    );
    this.dialog.showModal();
  }

  preview({ id, camera_id, content, text }) {
    if (text !== null) return [element("pre", { class: "letter-text", tabindex: 0, role: "region", "aria-label": "The record's value" }, text)];
    if (content !== "picture") return [element("p", { class: "soft" }, content === "nothing" ? "The record's value is empty or was not kept." : "The record's value is binary.")];
    const picture = element("img", { class: "test-picture", src: `/api/dead/${id}/picture`, alt: `The picture, of ${camera_id ?? "an unknown camera"}` });
    picture.addEventListener("error", () => picture.replaceWith(element("p", { class: "soft" }, "The picture cannot be shown: it is damaged, or its camera blurs faces.")));
    return [picture];
  }

  async retry(letter) {
    this.dialog.close();
    await this.onRetry(letter, Boolean(letter.retry));
  }
}

function placeOf(retry) {
  if (!retry) return ["–"];
  if (!retry.to) return ["being sent"];
  const [topic, partition, offset] = retry.to.split("/");
  return [element("a", { href: resultUrl({ topic, partition, offset }) }, retry.to)];
}
