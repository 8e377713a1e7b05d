// The form that takes pictures: chosen or dropped, sent one after another, shown with their boxes.

import { ApiError, fetchJson } from "./api.js";
import { element, setText } from "./dom.js";
import { PictureView } from "./picture.js";
import { faces, number } from "./words.js";

const WAIT_S = 20;
const PATIENCE_MS = 90_000;
const KEPT = 12;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const isVideo = (file) => file.type.startsWith("video/") || /\.(mp4|m4v|mov|mkv|webm|avi)$/i.test(file.name);

/** Make the form work; results are put at the head of the list `results`. `onVideo` takes files that are no pictures. */
export function installUpload(form, results, { onTaken = () => {}, onResult = () => {}, onVideo = null } = {}) {
  const input = form.querySelector("input[type=file]");
  const drop = form.querySelector(".drop");
  const maxBytes = Number(form.dataset.maxBytes);
  let queue = Promise.resolve();

  const take = (files) => {
    for (const file of files) {
      if (onVideo && isVideo(file)) {
        onVideo(file);
        continue;
      }
      onTaken();
      const entry = new Entry(file, onResult);
      results.prepend(entry.root);
      while (results.children.length > KEPT) results.lastElementChild.remove();
      queue = queue.then(() => entry.send(form.dataset.url, maxBytes));
    }
  };
  input.addEventListener("change", () => {
    take([...input.files]);
    input.value = "";
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.dataset.over = "";
    });
  }
  drop.addEventListener("dragleave", (event) => {
    if (!drop.contains(event.relatedTarget)) delete drop.dataset.over;
  });
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    delete drop.dataset.over;
    take([...event.dataTransfer.files]);
  });
  for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());
}

class Entry {
  constructor(file, onResult) {
    this.file = file;
    this.onResult = onResult;
    this.view = new PictureView();
    this.count = element("p", { class: "count" });
    this.words = element("p", { class: "when" }, "Waiting…");
    this.root = element(
      "li",
      { class: "result panel" },
      this.view.root,
      element("div", { class: "about" }, element("h3", {}, file.name), this.words, this.count),
    );
  }

  async send(url, maxBytes) {
    setText(this.words, "Looking for faces…");
    try {
      if (this.file.size > maxBytes) throw new ApiError(`This file is too large: at most ${number(maxBytes >> 20)} MB are accepted`);
      await this.show(await detect(url, this.file));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.fail(error.message);
    }
  }

  async show(result) {
    this.onResult(this.file.name, result);
    if (result.status !== "ok") return this.fail(result.error ?? result.status);
    const url = URL.createObjectURL(this.file);
    await this.view.show({ ...result, camera_id: this.file.name }, url);
    const took = result.inference_ms === null ? "" : `, in ${number(Math.round(result.inference_ms))} ms`;
    setText(this.words, `${faces(result.total_faces)} found by ${result.model?.name ?? "the detector"}${took}`);
    this.count.append(element("b", { "aria-hidden": "true" }, number(result.total_faces)));
  }

  fail(message) {
    this.root.dataset.kind = "failed";
    this.view.root.remove();
    setText(this.words, message);
  }
}

/** Send a picture and return its result, however long the queue is, within reason. */
async function detect(url, file) {
  const until = Date.now() + PATIENCE_MS;
  const headers = { "Content-Type": file.type || "application/octet-stream" };
  let [status, body] = await fetchJson(`${url}?camera_id=upload&wait=${WAIT_S}`, { method: "POST", body: file, headers });
  while (status === 202) {
    if (Date.now() > until) throw new ApiError("The picture is safe, but no worker has taken it up yet. It will appear among the cameras.");
    await sleep(1000);
    [status, body] = await fetchJson(body.url);
  }
  return body;
}
