// The ten uses of the analytics: what each shows, and the panel that shows it.

import { ApiError, allItems, call, getJson, showNotice, withQuery } from "./api.js";
import { TimeChart } from "./chart.js";
import { element } from "./dom.js";
import { button } from "./forms.js";
import { HeatPicture } from "./heat.js";
import { duration, number, time, words } from "./words.js";

const line = (key, label) => ({ key, label, kind: "line" });
const mayReset = document.body.dataset.role !== "viewer";
const bar = (key, label) => ({ key, label, kind: "bar" });

/** The intrusions of a zone, counted by bucket. */
async function readIntrusions({ camera, zone, from, to, bucket }) {
  const events = await allItems("/api/events", { camera, kind: "intrusion", from, to, limit: 500 });
  const counts = new Map();
  for (const { at, zone: where } of events) {
    if (where !== zone) continue;
    const begins = Math.floor(Date.parse(at) / 1000 / bucket) * bucket;
    counts.set(begins, (counts.get(begins) ?? 0) + 1);
  }
  const series = [...counts].map(([begins, intrusions]) => ({ at: new Date(1000 * begins).toISOString(), intrusions }));
  return { from, to, bucket_s: bucket, series, total: { intrusions: series.reduce((sum, { intrusions }) => sum + intrusions, 0) } };
}

/** `of` names what of a camera a use is about; `totals` are fields of the total with their label and their words. */
export const USES = [
  { use: "occupancy", title: "Occupancy", of: "zone", whole: true, series: [bar("max", "Most"), line("mean", "Mean")], totals: [["mean", "Mean"], ["min", "Least"], ["max", "Most"]] },
  { use: "flow", title: "In and out", of: "line", series: [bar("in", "In"), bar("out", "Out")], totals: [["in", "In"], ["out", "Out"], ["inside", "Inside"]] },
  { use: "flow", name: "capacity", title: "Capacity", of: "venue", series: [bar("in", "In"), bar("out", "Out")], totals: [["inside", "Inside"], ["in", "In"], ["out", "Out"]] },
  { use: "restricted", title: "Restricted zones", of: "zone", role: "restricted", read: readIntrusions, series: [bar("intrusions", "Intrusions")], totals: [["intrusions", "Intrusions"]] },
  {
    use: "dwell", title: "Dwell", of: "zone", show: duration, series: [line("median_s", "Median"), line("mean_s", "Mean"), line("p90_s", "90 of 100")],
    totals: [["visits", "Visits", number], ["mean_s", "Mean"], ["median_s", "Median"], ["p90_s", "90 of 100 within"]],
  },
  {
    use: "queue", title: "Queue and wait", of: "zone", role: "queue", show: duration, series: [line("wait_s", "Wait")], band: { label: "likely", low: "wait_low_s", high: "wait_high_s" },
    totals: [["length", "Length", number], ["arrivals", "Arrivals", number], ["served", "Served", number], ["wait_s", "Wait"], ["little_s", "Wait by Little's law"]],
  },
  { use: "heatmap", title: "Heatmap", fades: [["", "All alike"], ["600", "Half after 10 min"], ["1800", "Half after 30 min"], ["7200", "Half after 2 h"]] },
  { use: "distancing", title: "Distancing", series: [bar("pairs", "Pairs"), bar("violations", "Too close")], totals: [["pairs", "Pairs"], ["violations", "Too close"]] },
  { use: "attendance", title: "Attendance", series: [line("unique", "Different people")], band: { label: "likely", low: "low", high: "high" }, totals: [["unique", "Different people"], ["low", "At least"], ["high", "At most"]] },
  { use: "engagement", title: "Engagement", of: "zone", role: "display", series: [bar("viewers", "Viewers")], totals: [["viewers", "Viewers", number], ["mean_s", "Mean look", duration]] },
  { use: "evacuation", title: "Evacuation", series: [line("remaining", "Remaining")], totals: [["remaining", "Remaining", number], ["cleared_at", "Cleared", time]] },
  { use: "anomalies", title: "Anomalies", series: [line("observed", "Observed"), line("expected", "Expected"), line("score", "Score")], totals: [["score", "Highest score"], ["observed", "Observed"], ["expected", "Expected"]] },
];

export class UsePanel {
  constructor(spec) {
    this.spec = spec;
    this.place = element("select", { "aria-label": `${spec.title}: where`, hidden: true });
    this.place.addEventListener("change", () => this.load());
    const fades = (spec.fades ?? []).map(([value, words]) => element("option", { value }, words));
    this.fade = element("select", { "aria-label": `${spec.title}: how what was earlier counts`, hidden: !spec.fades }, ...fades);
    this.fade.addEventListener("change", () => this.load());
    this.total = element("dl", { class: "use-total" });
    this.body = element("div");
    this.csv = button("CSV", () => this.picture.saveCsv(this.fileName()), { "aria-label": `${spec.title} as CSV`, "data-export": "csv" });
    this.png = button("PNG", () => this.picture.savePng(this.fileName()), { "aria-label": `${spec.title} as PNG`, "data-export": "png" });
    this.reset = button("Nobody inside", () => this.resetVenue(), { hidden: true, title: "Begin the count of who is inside anew at zero" });
    const head = element("div", { class: "use-head" }, element("h2", {}, spec.title), this.place, this.fade, this.reset, this.csv, this.png);
    this.root = element("section", { class: "panel use", "aria-label": spec.title, "data-use": spec.name ?? spec.use }, head, this.total, this.body);
    this.picture = spec.series ? new TimeChart({ label: spec.title, series: spec.series, band: spec.band, show: spec.show }) : new HeatPicture();
    this.asked = null;
    this.seen = false;
    new IntersectionObserver(([entry]) => {
      this.seen = entry.isIntersecting;
      if (this.seen && this.waits) this.load();
    }).observe(this.root);
  }

  show(camera, asked) {
    const { of, role, whole } = this.spec;
    this.camera = camera;
    this.asked = asked;
    const venues = [...new Set(camera.lines.map(({ venue }) => venue).filter(Boolean))].map((name) => ({ name }));
    const zones = camera.zones.filter(({ roles }) => !role || roles.includes(role));
    const places = { zone: zones, line: camera.lines, venue: venues }[of] ?? [];
    const options = places.map(({ name }) => element("option", { value: name, selected: name === this.place.value }, name));
    if (whole) options.unshift(element("option", { value: "" }, "Whole picture"));
    this.place.replaceChildren(...options);
    this.place.hidden = options.length < 2;
    this.reset.hidden = !(mayReset && this.venue);
    const missing = of === "venue" ? "Give a line a venue" : `Draw a ${of}${role ? ` with the role ${role}` : ""}`;
    this.missing = of && !options.length ? `${missing} on the camera's page to see this.` : null;
    this.waits = true;
    if (this.seen) this.load();
  }

  fileName() {
    const parts = ["crowdwatch", this.camera.camera_id, this.spec.name ?? this.spec.use, this.place.value, this.asked.from.slice(0, 16)];
    return parts.filter(Boolean).join("-").replace(/[^\w.-]+/g, "_");
  }

  async load() {
    this.waits = false;
    this.csv.disabled = this.png.disabled = true;
    if (this.missing) {
      this.total.replaceChildren();
      return this.body.replaceChildren(element("p", { class: "soft" }, this.missing));
    }
    const { use, of } = this.spec;
    const asked = this.asked;
    const query = { camera: of === "venue" ? null : this.camera.camera_id, [of ?? "zone"]: this.place.value, from: asked.from, to: asked.to, bucket: asked.bucket, half_life: this.fade.value };
    try {
      const answer = this.spec.read ? await this.spec.read(query) : await getJson(withQuery(`/api/analytics/${use}`, query));
      if (asked !== this.asked) return;
      this.body.replaceChildren(this.picture.root);
      await this.picture.show(this.spec.series ? answer.series : answer, this.spec.series ? answer : this.camera);
      this.showTotal(answer.total ?? {});
      this.csv.disabled = this.png.disabled = false;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.total.replaceChildren();
      showNotice(this.body, error.message);
    }
  }

  /** The venue that is shown. */
  get venue() {
    return this.spec.of === "venue" ? this.place.value : null;
  }

  async resetVenue() {
    if (!confirm(`Is nobody inside ${this.venue}? Its count begins anew at zero.`)) return;
    try {
      await call("POST", `/api/venues/${encodeURIComponent(this.venue)}/reset`);
      this.load();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      showNotice(this.body, error.message);
    }
  }

  showTotal(total) {
    const shown = (this.spec.totals ?? []).filter(([key]) => total[key] !== null && total[key] !== undefined);
    this.total.replaceChildren(
      ...shown.map(([key, label, say]) => element("div", {}, element("dt", {}, label ?? words(key)), element("dd", {}, (say ?? this.spec.show ?? number)(total[key])))),
    );
  }
}
