// What every page does: the number of open alerts beside their page's name.

import { ApiError, getJson } from "./api.js";

const EVERY_MS = 15_000;
const COUNTED = 100;

async function countAlerts() {
  if (!document.hidden) {
    const badge = document.getElementById("alerts-badge");
    try {
      const { items, next } = await getJson(`/api/alerts?limit=${COUNTED}`);
      const open = items.filter((alert) => !alert.acknowledged_at && !alert.cleared_at).length;
      badge.textContent = next && open === COUNTED ? `${COUNTED}+` : String(open);
      badge.setAttribute("aria-label", `${open} open`);
      badge.hidden = open === 0;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      badge.hidden = true;
    }
  }
  setTimeout(countAlerts, EVERY_MS);
}

countAlerts();
