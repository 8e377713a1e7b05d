// Jobs: videos that were uploaded, how far they are, and what came of them.

import { ApiError, attempt, call, getJson, sendWithProgress, showNotice, withQuery } from "./api.js";
import { element } from "./dom.js";
import { button } from "./forms.js";
import { number, time, words } from "./words.js";

const EVERY_MS = 1500;
const SHOWN = 30;
const ENDED = ["done", "failed", "cancelled"];

export class JobList {
  constructor(list, empty, notices) {
    this.list = list;
    this.empty = empty;
    this.notices = notices;
    this.sending = new Set();
    this.jobs = [];
    this.poll();
  }

  /** Send a video; it is shown with its progress until it is a job. */
  async send(file) {
    const upload = { name: file.name, share: 0 };
    this.sending.add(upload);
    this.show();
    await attempt(this.notices, async () => {
      const url = withQuery("/api/uploads", { filename: file.name });
      await sendWithProgress(url, file, file.type || "application/octet-stream", (share) => {
        upload.share = share;
        this.show();
      });
    });
    this.sending.delete(upload);
    await this.read();
  }

  async read() {
    try {
      this.jobs = (await getJson(withQuery("/api/jobs", { limit: SHOWN }))).items;
      this.show();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (!this.notices.childElementCount) showNotice(this.notices, `Jobs cannot be read: ${error.message}`);
    }
  }

  async poll() {
    if (!document.hidden) await this.read();
    setTimeout(() => this.poll(), EVERY_MS);
  }

  show() {
    const rows = [...[...this.sending].map(sendingRow), ...this.jobs.map((job) => this.row(job))];
    const focused = document.activeElement?.dataset?.job;
    this.list.replaceChildren(...rows);
    if (focused) this.list.querySelector(`[data-job="${CSS.escape(focused)}"]`)?.focus();
    this.empty.hidden = rows.length > 0;
  }

  row(job) {
    return element("li", { class: "panel job" }, JSON.stringify(job));
  }
}

const sendingRow = ({ name, share }) =>
  element("li", { class: "panel job" }, element("div", { class: "job-head" }, element("h3", {}, name), element("p", { class: "when" }, `Sending, ${number(share * 100)} %`)), element("progress", { value: share, max: 1, "aria-label": `Sending ${name}` }));
