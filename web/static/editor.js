// Draws, moves and deletes zones and lines over a picture, with the pointer or with keys.

import { drawing } from "./dom.js";
import { inwards, MIDDLE_LINE, MIDDLE_ZONE, moved, newLine, newZone, onPicture } from "./shapes.js";

const WIDTH = 1000;
const STEP = 0.01;
const BIG_STEP = 0.05;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const HINTS = {
  zone: "Click the corners; Enter or a click on the first corner closes the zone. Enter without corners makes a rectangle. Escape gives up.",
  line: "Click where the line begins and where it ends. Enter makes one in the middle. Escape gives up.",
};

export class Editor {
  /** `camera` is the document that is changed; `onChange(kind)` is told "shape" or "selection", `onHint` what to do next. */
  constructor({ onChange, onHint }) {
    this.onChange = onChange;
    this.onHint = onHint;
    this.camera = null;
    this.selected = null;
    this.draft = null;
    this.aspect = 16 / 9;
    this.root = drawing("svg", { class: "editor", preserveAspectRatio: "none", role: "group", "aria-label": "Zones and lines on the picture" });
    this.root.addEventListener("pointerdown", (event) => this.onDown(event));
    this.root.addEventListener("pointermove", (event) => this.onMove(event));
    this.root.addEventListener("pointerup", () => this.endDrag());
    this.root.addEventListener("pointercancel", () => this.endDrag());
    document.addEventListener("keydown", (event) => this.onKey(event));
  }

  edit(camera) {
    this.camera = camera;
    this.draw();
  }

  setAspect(aspect) {
    if (Math.abs(aspect - this.aspect) < 1e-3) return;
    this.aspect = aspect;
    this.draw();
  }

  /** Choose a shape: {kind: "zone" | "line", index} or {kind: "ground"}, or null. */
  select(shape) {
    this.selected = shape;
    this.draw();
    this.onChange("selection");
  }

  begin(kind) {
    this.draft = { kind, points: [] };
    this.selected = null;
    this.onHint(HINTS[kind]);
    this.root.dataset.drawing = kind;
    this.draw();
    this.onChange("selection");
  }

  cancel() {
    this.draft = null;
    delete this.root.dataset.drawing;
    this.onHint("");
    this.draw();
  }

  remove() {
    const { kind, index } = this.selected;
    if (kind === "ground") this.camera.ground_plane = null;
    else this.listOf(kind).splice(index, 1);
    this.selected = null;
    this.changed();
    this.onChange("selection");
  }

  listOf(kind) {
    return kind === "zone" ? this.camera.zones : this.camera.lines;
  }

  /** The selected shape's document. */
  get current() {
    if (!this.selected) return null;
    return this.selected.kind === "ground" ? this.camera.ground_plane : this.listOf(this.selected.kind)[this.selected.index];
  }

  pointsOf({ kind, index }) {
    if (kind === "ground") return this.camera.ground_plane.image;
    const shape = this.listOf(kind)[index];
    return kind === "zone" ? shape.polygon : [shape.from, shape.to];
  }

  setPoints({ kind, index }, points) {
    if (kind === "ground") this.camera.ground_plane.image = points;
    else if (kind === "zone") this.camera.zones[index].polygon = points;
    else Object.assign(this.camera.lines[index], { from: points[0], to: points[1] });
    this.changed();
  }

  changed() {
    this.draw();
    this.onChange("shape");
  }

  // ---- Drawing what there is

  get height() {
    return WIDTH / this.aspect;
  }

  at([x, y]) {
    return [x * WIDTH, y * this.height];
  }

  text(points) {
    return points.map((point) => this.at(point).join(",")).join(" ");
  }

  draw() {
    if (!this.camera) return;
    const focused = document.activeElement?.dataset?.handle;
    this.root.setAttribute("viewBox", `0 0 ${WIDTH} ${this.height}`);
    const shapes = [
      ...(this.selected?.kind === "ground" ? [{ kind: "ground" }] : []),
      ...this.camera.zones.map((_, index) => ({ kind: "zone", index })),
      ...this.camera.lines.map((_, index) => ({ kind: "line", index })),
    ];
    const isSelected = (shape) => this.selected?.kind === shape.kind && this.selected.index === shape.index;
    shapes.sort((a, b) => Number(isSelected(a)) - Number(isSelected(b)));
    this.root.replaceChildren(...shapes.map((shape) => this.drawnShape(shape, isSelected(shape))), ...this.drawnDraft());
    if (focused) this.root.querySelector(`[data-handle="${CSS.escape(focused)}"]`)?.focus();
  }

  drawnShape(shape, selected) {
    const points = this.pointsOf(shape);
    const group = drawing("g", { class: "shape", "data-kind": shape.kind, "data-selected": selected });
    group.shape = shape;
    if (shape.kind === "line") {
      const [[x1, y1], [x2, y2]] = points.map((point) => this.at(point));
      group.append(drawing("line", { class: "grab", x1, y1, x2, y2 }), drawing("line", { class: "way", x1, y1, x2, y2 }), ...this.drawnArrow(shape));
    } else {
      group.append(drawing("polygon", { points: this.text(points) }));
    }
    const name = shape.kind === "ground" ? "ground" : this.listOf(shape.kind)[shape.index].name;
    const [x, y] = this.at(shape.kind === "line" ? points[0] : points.reduce((top, point) => (point[1] < top[1] ? point : top)));
    const label = drawing("text", { x: Math.min(x, WIDTH - 120) + 10, y: Math.max(26, y - 10), "font-size": 22 }, name);
    group.append(label);
    if (selected) group.append(...this.drawnHandles(shape, points, name));
    return group;
  }

  drawnArrow(shape) {
    const line = this.camera.lines[shape.index];
    const [nx, ny] = inwards(line, this.aspect);
    const [[x1, y1], [x2, y2]] = [line.from, line.to].map((point) => this.at(point));
    const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2];
    const tip = [x + nx * 54, y + ny * 54];
    const base = [x + nx * 36, y + ny * 36];
    const wing = (side) => `${base[0] - ny * 11 * side},${base[1] + nx * 11 * side}`;
    return [
      drawing("line", { class: "shaft", x1: x, y1: y, x2: base[0], y2: base[1] }),
      drawing("polygon", { class: "arrow", points: `${tip.join(",")} ${wing(1)} ${wing(-1)}` }),
      drawing("text", { x: x + nx * 76, y: y + ny * 76 + 7, "font-size": 20, "text-anchor": "middle" }, "in"),
    ];
  }

  drawnHandles(shape, points, name) {
    const handles = points.map((point, place) => {
      const [cx, cy] = this.at(point);
      const label = `${name}, point ${place + 1} of ${points.length}, ${Math.round(point[0] * 100)} % across, ${Math.round(point[1] * 100)} % down. Arrow keys move it${shape.kind === "zone" ? ", Insert adds a point after it, Delete removes it" : ""}.`;
      const handle = drawing("circle", { cx, cy, r: 9, tabindex: 0, role: "button", "aria-roledescription": "movable point", "aria-label": label, "data-handle": `${shape.kind}-${shape.index}-${place}` });
      handle.point = place;
      return handle;
    });
    if (shape.kind !== "zone") return handles;
    const inserts = points.map((point, place) => {
      const next = points[(place + 1) % points.length];
      const [cx, cy] = this.at([(point[0] + next[0]) / 2, (point[1] + next[1]) / 2]);
      const insert = drawing("circle", { class: "insert", cx, cy, r: 6, "aria-hidden": "true" });
      insert.follows = place;
      return insert;
    });
    return [...inserts, ...handles];
  }

  drawnDraft() {
    if (!this.draft?.points.length) return [];
    const dots = this.draft.points.map((point) => {
      const [cx, cy] = this.at(point);
      return drawing("circle", { cx, cy, r: 7 });
    });
    return [drawing("polyline", { class: "draft", points: this.text(this.draft.points) }), ...dots];
  }

  // ---- The pointer

  placeOf(event) {
    const box = this.root.getBoundingClientRect();
    return onPicture([(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]);
  }

  onDown(event) {
    if (event.button !== 0 || !this.camera) return;
    const place = this.placeOf(event);
    if (this.draft) return this.addToDraft(place);
    const shape = event.target.closest(".shape")?.shape;
    if (!shape) return void (this.selected && this.select(null));
    let point = event.target.point ?? null;
    if (event.target.follows !== undefined) {
      point = event.target.follows + 1;
      this.setPoints(shape, this.pointsOf(shape).toSpliced(point, 0, place));
    } else if (!event.target.closest("[data-selected]")) {
      this.select(shape);
    }
    this.drag = { shape, point, start: place, points: this.pointsOf(shape).map((one) => [...one]) };
    this.root.setPointerCapture(event.pointerId);
    if (point !== null) this.root.querySelector(`[data-handle="${shape.kind}-${shape.index}-${point}"]`)?.focus();
    event.preventDefault();
  }

  onMove(event) {
    if (!this.drag) return;
    const { shape, point, start, points } = this.drag;
    const place = this.placeOf(event);
    if (point !== null) this.setPoints(shape, points.with(point, place));
    else this.setPoints(shape, moved(points, place[0] - start[0], place[1] - start[1]));
  }

  endDrag() {
    this.drag = null;
  }

  addToDraft(place) {
    const { kind, points } = this.draft;
    const isFirst = points.length > 2 && Math.hypot((place[0] - points[0][0]) * this.aspect, place[1] - points[0][1]) < 0.03;
    if (!isFirst) points.push(place);
    if (isFirst || (kind === "line" && points.length === 2)) this.finish();
    else this.draw();
  }

  /** Make a shape of the draft; of one without points, a shape in the middle. */
  finish() {
    const { kind, points } = this.draft;
    const least = kind === "zone" ? 3 : 2;
    if (points.length > 0 && points.length < least) return;
    const list = this.listOf(kind);
    const taken = list.map(({ name }) => name);
    const middle = (kind === "zone" ? MIDDLE_ZONE : MIDDLE_LINE).map((point) => [...point]);
    const made = points.length ? points : middle;
    list.push(kind === "zone" ? newZone(made, taken) : newLine(made, taken));
    this.draft = null;
    delete this.root.dataset.drawing;
    this.onHint("");
    this.changed();
    this.select({ kind, index: list.length - 1 });
    if (!points.length) this.root.querySelector("[data-handle]")?.focus();
  }

  // ---- Keys

  onKey(event) {
    if (this.draft && event.key === "Escape") return this.cancel();
    if (this.draft && event.key === "Enter") {
      event.preventDefault();
      return this.finish();
    }
    const point = event.target.point;
    if (point === undefined || !this.root.contains(event.target)) return;
    const points = this.pointsOf(this.selected);
    if (event.key in ARROWS) {
      const [dx, dy] = ARROWS[event.key].map((direction) => direction * (event.shiftKey ? BIG_STEP : STEP));
      this.setPoints(this.selected, points.with(point, onPicture([points[point][0] + dx, points[point][1] + dy])));
    } else if (event.key === "Insert" && this.selected.kind === "zone") {
      const next = points[(point + 1) % points.length];
      this.setPoints(this.selected, points.toSpliced(point + 1, 0, [(points[point][0] + next[0]) / 2, (points[point][1] + next[1]) / 2]));
    } else if (event.key === "Delete" && this.selected.kind === "zone" && points.length > 3) {
      this.setPoints(this.selected, points.toSpliced(point, 1));
    } else {
      return;
    }
    event.preventDefault();
  }
}
