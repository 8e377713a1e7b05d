// Where alerts are sent.

import { ApiError, getJson, showNotice } from "./api.js";
import { element } from "./dom.js";

/** Fill the section of notifications. */
export async function showNotifications(place) {
  try {
    const answer = await getJson("/api/notifications");
    place.replaceChildren(element("pre", { class: "panel padded" }, JSON.stringify(answer, null, 2)));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    showNotice(place, `Notifications cannot be read: ${error.message}`);
  }
}
