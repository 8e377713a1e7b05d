// The state of a camera, as a badge on its picture; and how the capture of cameras goes, as the server says.

import { ApiError, getJson } from "./api.js";
import { element, setText } from "./dom.js";

const STATES = { starting: "Starting", live: "Live", behind: "Behind", quiet: "Quiet", offline: "Offline" };
const EVERY_MS = 2000;

export class StateBadge {
  constructor() {
    this.root = element("span", { class: "state", hidden: true });
  }

  /** Show a state, with the reason for it as a tool tip; nothing for one that is not known. */
  show(state, why = null) {
    this.root.hidden = !(state in STATES);
    this.root.dataset.state = state;
    this.root.title = why ?? "";
    setText(this.root, STATES[state] ?? "");
  }

  get state() {
    return this.root.dataset.state;
  }
}

/** Tell `onStates` every two seconds, while the page is seen, of each captured camera's `{state, error}`, by its id. */
export async function followCaptures(onStates) {
  if (!document.hidden) {
    try {
      const { items } = await getJson("/api/camera-states");
      onStates(new Map(items.map(({ camera_id, state, error }) => [camera_id, { state, error: error ?? "It does not answer" }])));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // the results that stop tell of it
    }
  }
  setTimeout(() => followCaptures(onStates), EVERY_MS);
}
