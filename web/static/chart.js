// A chart over time: lines and bars, a band between two fields, a rule that tells values, and the same as a table.

import { drawing, element } from "./dom.js";
import { csv, download, pngOfSvg } from "./files.js";
import { number, time } from "./words.js";

const HEIGHT = 220;
const EDGE = { left: 46, right: 12, top: 12, bottom: 26 };
const TICKS = 4;

export class TimeChart {
  /** `series` is a list of {key, label, kind: "line" | "bar"}; `band` may name {low, high}; `show` makes words of values. */
  constructor({ label, series, band = null, show = number }) {
    this.label = label;
    this.series = series;
    this.band = band;
    this.words = show;
    this.points = [];
    this.svg = drawing("svg", { class: "chart", tabindex: 0, role: "img" });
    this.readout = element("p", { class: "readout", "aria-live": "polite" });
    this.legend = element("ul", { class: "legend" }, ...series.map(({ label: name }, place) => element("li", { "data-series": place }, name)));
    if (band) this.legend.append(element("li", { "data-series": "band" }, band.label));
    this.table = element("div", { class: "table-box", tabindex: 0, role: "region", "aria-label": `${label}, as a table` });
    const details = element("details", {}, element("summary", {}, "As a table"), this.table);
    details.addEventListener("toggle", () => details.open && this.fillTable());
    this.details = details;
    this.root = element("div", { class: "chart-box" }, this.svg, element("div", { class: "chart-foot" }, this.legend, this.readout), details);
    this.svg.addEventListener("pointermove", (event) => this.pointTo(this.nearest(event)));
    this.svg.addEventListener("pointerleave", () => this.pointTo(null));
    this.svg.addEventListener("keydown", (event) => this.onKey(event));
    new ResizeObserver(() => this.draw()).observe(this.root);
  }

  /** Draw points {at, …} of the period {from, to, bucket_s}, times in RFC 3339. */
  show(points, period) {
    this.points = points.map((point) => ({ ...point, ms: Date.parse(point.at) })).sort((a, b) => a.ms - b.ms);
    this.period = period;
    this.cursor = null;
    this.draw();
    if (this.details.open) this.fillTable();
  }

  /** Rows for a file: a head, then a row a point. */
  rows() {
    const keys = [...this.series.map(({ key }) => key), ...(this.band ? [this.band.low, this.band.high] : [])];
    return [["at", ...keys], ...this.points.map((point) => [point.at, ...keys.map((key) => point[key])])];
  }

  saveCsv(name) {
    download(`${name}.csv`, csv(this.rows()));
  }

  async savePng(name) {
    download(`${name}.png`, await pngOfSvg(this.svg));
  }

  draw() {
    const width = this.root.clientWidth;
    if (!this.period || !width) return;
    const [from, to] = [Date.parse(this.period.from), Date.parse(this.period.to)];
    const keys = [...this.series.map(({ key }) => key), ...(this.band ? [this.band.high] : [])];
    const highest = niceTop(Math.max(...this.points.flatMap((point) => keys.map((key) => point[key] ?? 0)), 0));
    this.width = width;
    this.x = (ms) => EDGE.left + ((ms - from) / Math.max(to - from, 1)) * (width - EDGE.left - EDGE.right);
    this.y = (value) => HEIGHT - EDGE.bottom - (value / highest) * (HEIGHT - EDGE.top - EDGE.bottom);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.svg.setAttribute("aria-label", this.summary());
    this.rule = drawing("line", { class: "rule", y1: EDGE.top, y2: HEIGHT - EDGE.bottom, visibility: "hidden" });
    const band = this.band ? this.runs((point) => point[this.band.low] ?? null).map((run) => this.bandOf(run)) : [];
    this.svg.replaceChildren(...this.grid(highest, from, to), ...band, ...this.series.flatMap((one, place) => this.drawn(one, place)), this.rule);
    if (!this.points.length) {
      const place = { class: "tick", x: width / 2, y: HEIGHT / 2, "text-anchor": "middle" };
      this.svg.append(drawing("text", place, "Nothing in this time"));
    }
  }

  grid(highest, from, to) {
    const lines = Array.from({ length: TICKS + 1 }, (_, step) => (highest * step) / TICKS).flatMap((value) => [
      drawing("line", { class: "grid", x1: EDGE.left, x2: this.width - EDGE.right, y1: this.y(value), y2: this.y(value) }),
      drawing("text", { class: "tick", x: EDGE.left - 6, y: this.y(value) + 4, "text-anchor": "end" }, this.words(value)),
    ]);
    const count = this.width > 480 ? 4 : 2;
    const format = new Intl.DateTimeFormat(undefined, to - from > 36 * 3600e3 ? { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" } : { timeStyle: "short" });
    const times = Array.from({ length: count + 1 }, (_, step) => from + ((to - from) * step) / count).map((ms, step) =>
      drawing("text", { class: "tick", x: this.x(ms), y: HEIGHT - 8, "text-anchor": step === 0 ? "start" : step === count ? "end" : "middle" }, format.format(ms)),
    );
    return [...lines, ...times];
  }

  drawn({ key, kind }, place) {
    const step = this.period.bucket_s * 1000;
    if (kind === "bar") {
      const bars = this.series.filter((one) => one.kind === "bar");
      const slot = Math.max(1, this.x(step) - this.x(0) - 1) / bars.length;
      const turn = bars.findIndex((one) => one.key === key);
      const known = this.points.filter((point) => point[key] !== null && point[key] !== undefined);
      return known.map((point) => drawing("rect", { class: `series series-${place}`, x: this.x(point.ms) + slot * turn, width: Math.max(0.5, Math.min(slot, this.width - EDGE.right - this.x(point.ms) - slot * turn)), y: this.y(point[key]), height: Math.max(0, this.y(0) - this.y(point[key])) }));
    }
    return this.runs((point) => point[key] ?? null).map((run) => {
      const at = run.map((point) => `${this.x(point.ms + step / 2)},${this.y(point[key])}`);
      if (run.length === 1) return drawing("circle", { class: `series series-${place} dot`, cx: this.x(run[0].ms + step / 2), cy: this.y(run[0][key]), r: 2.5 });
      return drawing("polyline", { class: `series series-${place}`, points: at.join(" ") });
    });
  }

  bandOf(run) {
    const step = this.period.bucket_s * 1000;
    const at = (key) => run.map((point) => `${this.x(point.ms + step / 2)},${this.y(point[key])}`);
    return drawing("polygon", { class: "band", points: [...at(this.band.high), ...at(this.band.low).reverse()].join(" ") });
  }

  /** Stretches without a gap: a bucket without data is unknown, not zero. */
  runs(value) {
    const step = this.period.bucket_s * 1000;
    const runs = [];
    let last = null;
    for (const point of this.points) {
      if (value(point) === null) continue;
      if (last === null || point.ms - last > step * 1.5) runs.push([]);
      runs.at(-1).push(point);
      last = point.ms;
    }
    return runs;
  }

  summary() {
    if (!this.points.length) return `${this.label}: nothing in this time`;
    const told = this.series.map(({ key, label }) => {
      const values = this.points.map((point) => point[key]).filter((value) => value !== null && value !== undefined);
      return values.length ? `${label} ${this.words(Math.min(...values))} to ${this.words(Math.max(...values))}` : `${label} unknown`;
    });
    return `${this.label}, ${time(this.period.from)} to ${time(this.period.to)}: ${told.join(", ")}. Arrow keys tell each value.`;
  }

  nearest(event) {
    const x = ((event.clientX - this.svg.getBoundingClientRect().left) / this.svg.clientWidth) * this.width;
    const step = this.period ? this.period.bucket_s * 500 : 0;
    const distance = (point) => Math.abs(this.x(point.ms + step) - x);
    return this.points.reduce((best, point, place) => (best === null || distance(point) < distance(this.points[best]) ? place : best), null);
  }

  onKey(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !this.points.length) return;
    event.preventDefault();
    this.pointTo(Math.min(this.points.length - 1, Math.max(0, (this.cursor ?? (step > 0 ? -1 : this.points.length)) + step)));
  }

  pointTo(place) {
    this.cursor = place;
    if (!this.rule) return;
    this.rule.setAttribute("visibility", place === null ? "hidden" : "visible");
    if (place === null) return void (this.readout.textContent = "");
    const point = this.points[place];
    const x = this.x(point.ms + this.period.bucket_s * 500);
    this.rule.setAttribute("x1", x);
    this.rule.setAttribute("x2", x);
    const told = this.series.map(({ key, label }) => `${label} ${point[key] === null || point[key] === undefined ? "unknown" : this.words(point[key])}`);
    if (this.band && point[this.band.low] !== undefined) told.push(`${this.band.label} ${this.words(point[this.band.low])} to ${this.words(point[this.band.high])}`);
    this.readout.textContent = `${time(point.at)}: ${told.join(", ")}`;
  }

  fillTable() {
    const [head, ...rows] = this.rows();
    const cells = (row) => row.map((value, place) => element("td", {}, place === 0 ? time(value) : value === null || value === undefined ? "–" : this.words(value)));
    this.table.replaceChildren(
      element("table", {}, element("thead", {}, element("tr", {}, ...head.map((name) => element("th", { scope: "col" }, name)))), element("tbody", {}, ...rows.map((row) => element("tr", {}, ...cells(row))))),
    );
  }
}

/** A number that is not below `value`, and whose ticks are round. */
function niceTop(value) {
  if (value <= TICKS) return TICKS;
  const unit = 10 ** Math.floor(Math.log10(value / TICKS));
  return [1, 2, 3, 5, 10].map((times) => times * unit * TICKS).find((top) => top >= value);
}
