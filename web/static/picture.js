// A picture with the boxes of its faces over it, changed together so that boxes never lie on another frame.

import { drawing, element } from "./dom.js";
import { faces, time } from "./words.js";

export class PictureView {
  constructor() {
    this.image = element("img", { alt: "", hidden: true, decoding: "async" });
    this.boxes = drawing("svg", { "aria-hidden": "true" });
    this.note = element("p", { class: "view-note", hidden: true });
    this.root = element("div", { class: "view" }, this.image, this.boxes, this.note);
  }

  /** Load the picture at `url` and then show it with the boxes of `result`. Resolves when it is shown, or cannot be. */
  async show(result, url) {
    if (result.status === "failed") return this.say(`No detection: ${result.error}`, "failed");
    const next = new Image();
    next.src = url;
    try {
      await next.decode();
    } catch {
      return this.say("The picture is no longer in the log", "gone");
    }
    this.image.src = url;
    this.image.alt = `${result.camera_id}: ${faces(result.total_faces)}, ${time(result.captured_at)}`;
    this.image.hidden = false;
    this.note.hidden = true;
    this.draw(result);
  }

  /** Draw the boxes of `result` over the picture that is shown. */
  draw(result) {
    const { width, height } = result.image ?? { width: 1, height: 1 };
    this.boxes.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const rects = (kind) => result.faces.map(({ bounding_box: box }) => drawing("rect", { ...box, rx: box.width / 12, class: kind }));
    this.boxes.replaceChildren(...rects("behind-box"), ...rects("box"));
  }

  /** Show words in place of a picture. */
  say(words, kind) {
    this.image.hidden = true;
    this.boxes.replaceChildren();
    this.note.textContent = words;
    this.note.dataset.kind = kind;
    this.note.hidden = false;
  }
}
