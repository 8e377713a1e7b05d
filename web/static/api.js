// Calls of the HTTP interface.

/** An answer in the interface's error shape, or none at all. */
export class ApiError extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

/** Fetch JSON; returns [status, body]. Throws an ApiError with a message fit to be shown. */
export async function fetchJson(url, options = {}) {
  let answer;
  try {
    answer = await fetch(url, { credentials: "same-origin", ...options });
  } catch {
    throw new ApiError("Crowdwatch does not answer. Is it running?");
  }
  const body = await answer.json().catch(() => null);
  if (!answer.ok) {
    throw new ApiError(body?.error?.message ?? `The answer was ${answer.status} ${answer.statusText}`, answer.status);
  }
  return [answer.status, body];
}

/** Where a result, or its picture, is found. */
export const resultUrl = ({ topic, partition, offset }) => `/api/frames/${encodeURIComponent(topic)}/${partition}/${offset}`;
export const pictureUrl = (source) => `${resultUrl(source)}/picture`;
