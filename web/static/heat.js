// The heatmap over the camera's newest picture.

import { ApiError, getJson, pictureUrl, withQuery } from "./api.js";
import { element } from "./dom.js";
import { csv, download, png } from "./files.js";
import { number } from "./words.js";

const WIDTH = 960;
const COLD_HUE = 215;

export class HeatPicture {
  constructor() {
    this.canvas = element("canvas", { class: "heat", role: "img" });
    this.root = this.canvas;
    this.heat = null;
  }

  /** Draw {columns, rows, cells} (cells row by row, or a list of rows) over the newest picture of `camera`. */
  async show(answer, camera) {
    const found = answer.cells ? answer : (answer.total ?? {});
    const { columns = 0, rows = 0 } = found;
    this.heat = { columns, rows, cells: (found.cells ?? []).flat() };
    const picture = await newestPicture(camera.camera_id);
    const aspect = picture ? picture.naturalWidth / picture.naturalHeight : 16 / 9;
    this.canvas.width = WIDTH;
    this.canvas.height = Math.round(WIDTH / aspect);
    const context = this.canvas.getContext("2d");
    context.fillStyle = "#0d1419";
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    if (picture) context.drawImage(picture, 0, 0, this.canvas.width, this.canvas.height);
    context.imageSmoothingQuality = "high";
    context.drawImage(this.drawn(), 0, 0, this.canvas.width, this.canvas.height);
    const most = Math.max(0, ...this.heat.cells);
    this.canvas.setAttribute("aria-label", most ? `Where people were, ${columns} by ${rows} cells, the fullest has ${number(most)}` : "Nobody was seen in this time");
  }

  /** The cells as small picture, a pixel a cell: clear where nobody was, then from blue to red. */
  drawn() {
    const { columns, rows, cells } = this.heat;
    const small = element("canvas", { width: Math.max(columns, 1), height: Math.max(rows, 1) });
    const context = small.getContext("2d");
    const most = Math.max(...cells, 0);
    cells.forEach((value, place) => {
      if (!value) return;
      const share = Math.sqrt(value / most);
      context.fillStyle = `hsl(${COLD_HUE * (1 - share)} 95% 55% / ${0.25 + 0.5 * share})`;
      context.fillRect(place % columns, Math.floor(place / columns), 1, 1);
    });
    return small;
  }

  saveCsv(name) {
    const { columns, rows, cells } = this.heat;
    download(`${name}.csv`, csv(Array.from({ length: rows }, (_, row) => cells.slice(row * columns, (row + 1) * columns))));
  }

  async savePng(name) {
    download(`${name}.png`, await png(this.canvas));
  }
}

async function newestPicture(camera_id) {
  try {
    const { items } = await getJson(withQuery("/api/frames", { camera: camera_id, limit: 1 }));
    if (!items.length) return null;
    const image = new Image();
    image.src = pictureUrl(items[0]);
    await image.decode();
    return image;
  } catch (error) {
    if (error instanceof ApiError || error.name === "EncodingError") return null;
    throw error;
  }
}
