// Calls of the HTTP interface.

/** An answer in the interface's error shape, or none at all. */
export class ApiError extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

/** Fetch JSON; returns [status, body, ETag]. Throws an ApiError with a message fit to be shown. */
export async function fetchJson(url, options = {}) {
  let answer;
  try {
    answer = await fetch(url, { credentials: "same-origin", ...options, headers: { Accept: "application/json", ...options.headers } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("Crowdwatch does not answer. Is it running?");
  }
  const body = await answer.json().catch(() => null);
  if (answer.ok) return [answer.status, body, answer.headers.get("ETag")];
  if (answer.status === 401) location.reload(); // the session ended: the page sends on to the sign-in
  throw new ApiError(body?.error?.message ?? `The answer was ${answer.status} ${answer.statusText}`, answer.status);
}

/** Fetch JSON; returns the body. */
export const getJson = async (url) => (await fetchJson(url))[1];

/** Send JSON; returns the body of the answer. */
export async function sendJson(method, url, body, headers = {}) {
  const options = { method, body: JSON.stringify(body), headers: { "Content-Type": "application/json", ...headers } };
  return (await fetchJson(url, options))[1];
}

/** Call something that has no body. */
export const call = async (method, url) => (await fetchJson(url, { method }))[1];

/** Send a body with its progress, a share from 0 to 1, told to `onProgress`; returns [status, body]. */
export function sendWithProgress(url, body, contentType, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.responseType = "json";
    request.setRequestHeader("Accept", "application/json");
    if (contentType) request.setRequestHeader("Content-Type", contentType);
    request.upload.addEventListener("progress", (event) => event.lengthComputable && onProgress(event.loaded / event.total));
    request.addEventListener("error", () => reject(new ApiError("Crowdwatch does not answer. Is it running?")));
    request.addEventListener("load", () => {
      const { status, response } = request;
      if (status < 400) resolve([status, response]);
      else reject(new ApiError(response?.error?.message ?? `The answer was ${status} ${request.statusText}`, status));
    });
    request.send(body);
  });
}

/** Make an address with a query; parameters that are null, undefined or empty are left out. */
export function withQuery(path, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

/** All items of a list that comes in pages. */
export async function allItems(path, parameters = {}) {
  const items = [];
  let cursor = null;
  do {
    const page = await getJson(withQuery(path, { ...parameters, cursor }));
    items.push(...page.items);
    cursor = page.next;
  } while (cursor);
  return items;
}

/** Run something that may fail; its message is shown as a notice in `place`. Returns whether it went well. */
export async function attempt(place, action) {
  try {
    await action();
    place.replaceChildren();
    return true;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    showNotice(place, error.message);
    return false;
  }
}

/** Show a problem in `place`. */
export function showNotice(place, message) {
  const notice = document.createElement("p");
  notice.className = "notice-line";
  notice.textContent = message;
  place.replaceChildren(notice);
}

/** Where a result is found by its place, and the picture of a result. */
export const resultUrl = ({ topic, partition, offset }) => `/api/frames/${encodeURIComponent(topic)}/${partition}/${offset}`;
export const pictureUrl = ({ source, log_id }) => `${resultUrl(source)}/picture${log_id ? `?log_id=${encodeURIComponent(log_id)}` : ""}`;

/** Where a camera's document, or something under it, is found. */
export const cameraUrl = (camera_id) => `/api/cameras/${encodeURIComponent(camera_id)}`;
export const cameraPage = (camera_id) => `/cameras/${encodeURIComponent(camera_id)}`;

/** When a result's frame came into the log, in milliseconds since 1970: cameras' own clocks may be wrong. */
export function cameAt(result) {
  return Date.parse(result.received_at ?? result.captured_at);
}
