// What every page does: the open page is in view, and the number of open alerts beside their page's name.

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

/** On a phone the row of pages is longer than the screen: show the one that is open. */
function showCurrent() {
  const current = document.querySelector(".nav [aria-current]");
  const nav = current?.closest(".nav");
  if (nav) nav.scrollLeft = current.offsetLeft - nav.offsetLeft - (nav.clientWidth - current.offsetWidth) / 2;
}

showCurrent();
countAlerts();
