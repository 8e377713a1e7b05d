// Jobs: videos that were uploaded, how far they are, and what came of them.

import { ApiError, attempt, call, cameraPage, getJson, sendWithProgress, showNotice, withQuery } from "./api.js";
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

  /** Send a video that was recorded at `capturedAt`; it is shown with its progress until it is a job. */
  async send(file, capturedAt) {
    const upload = { name: file.name, share: 0 };
    this.sending.add(upload);
    this.show();
    await attempt(this.notices, async () => {
      const url = withQuery("/api/uploads", { filename: file.name, captured_at: capturedAt });
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
    const { job_id, camera_id, state, error, files, frames, progress, results_url } = job;
    const name = files.length === 1 ? files[0].name : `${number(files.length)} files`;
    const head = element("div", { class: "job-head" }, element("h3", {}, name), element("span", { class: "dot-state", "data-state": state }, words(state)));
    const recorded = job.captured_at === null ? [] : [`recorded ${time(job.captured_at)}`];
    const told = [time(job.created_at), ...recorded, `${number(frames.done)} of ${frames.expected === null ? "?" : number(frames.expected)} frames`, `camera ${camera_id}`];
    const parts = [head, element("p", { class: "when" }, told.join(" · "))];
    if (error) parts.push(element("p", { class: "notice-line" }, error));
    if (!ENDED.includes(state)) parts.push(element("progress", { value: progress, max: 1, "aria-label": `Progress of ${name}` }));
    const buttons = element("p", { class: "buttons" });
    if (frames.done) {
      buttons.append(element("a", { class: "button quiet", href: cameraPage(camera_id) }, "See it"));
      for (const format of ["json", "csv"]) {
        const label = `${format.toUpperCase()} of ${name}`;
        buttons.append(element("a", { class: "button quiet", href: withQuery(results_url, { format }), download: true, "aria-label": label, "data-job": `${job_id} ${format}` }, format.toUpperCase()));
      }
    }
    if (!ENDED.includes(state)) buttons.append(button("Cancel", () => this.cancel(job_id), { kind: "quiet danger", "aria-label": `Cancel ${name}`, "data-job": `${job_id} cancel` }));
    if (buttons.childElementCount) parts.push(buttons);
    return element("li", { class: "panel job" }, ...parts);
  }

  async cancel(job_id) {
    await attempt(this.notices, () => call("POST", `/api/jobs/${encodeURIComponent(job_id)}/cancel`));
    await this.read();
  }
}

const sendingRow = ({ name, share }) =>
  element("li", { class: "panel job" }, element("div", { class: "job-head" }, element("h3", {}, name), element("p", { class: "when" }, `Sending, ${number(share * 100)} %`)), element("progress", { value: share, max: 1, "aria-label": `Sending ${name}` }));
