// How a camera's count went: a bar for each stretch of time, none where nothing is known.

import { drawing, element } from "./dom.js";
import { number, time } from "./words.js";

const HEIGHT = 40;

export class Trend {
  constructor() {
    this.chart = drawing("svg", { role: "img", preserveAspectRatio: "none" });
    this.from = element("span");
    this.peak = element("span");
    this.root = element("div", { class: "trend" }, this.chart, element("p", {}, this.from, this.peak));
  }

  /** Draw points {at, mean_faces, max_faces} of the period {from, to, bucket_s}. */
  show(points, period) {
    const start = Date.parse(period.from);
    const step = period.bucket_s * 1000;
    const columns = Math.ceil((Date.parse(period.to) - start) / step) + 1;
    const highest = Math.max(1, ...points.map((point) => point.max_faces));
    const bar = (kind, point, value) => {
      const height = Math.max(value > 0 ? 1.5 : 0.8, (value / highest) * (HEIGHT - 2));
      const column = Math.floor((Date.parse(point.at) - start) / step) + 1;
      return drawing("rect", { class: kind, x: column + 0.1, y: HEIGHT - height, width: 0.8, height });
    };
    this.chart.setAttribute("viewBox", `0 0 ${columns} ${HEIGHT}`);
    this.chart.replaceChildren(
      drawing("line", { class: "floor", x1: 0, x2: columns, y1: HEIGHT, y2: HEIGHT }),
      ...points.map((point) => bar("bar-max", point, point.max_faces)),
      ...points.map((point) => bar("bar-mean", point, point.mean_faces)),
    );
    const peak = points.length ? `peak ${number(highest)}` : "nothing in this time";
    this.from.textContent = `since ${time(period.from)}`;
    this.peak.textContent = points.length && points.every((point) => !point.max_faces) ? "peak 0" : peak;
    this.chart.setAttribute("aria-label", `Faces ${this.from.textContent}: ${this.peak.textContent}`);
  }
}
