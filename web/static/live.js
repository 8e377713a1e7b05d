// Results and alerts as they come: server-sent events.

const AGAIN_MS = 10_000;

/** Calls `onResult` for each result, `onAlert` for each alert, `onState(true | false)` when the stream comes and goes. */
export class LiveResults {
  constructor(url, onResult, onState, onAlert = () => {}) {
    this.url = url;
    this.onResult = onResult;
    this.onState = onState;
    this.onAlert = onAlert;
    this.connect();
    document.addEventListener("visibilitychange", () => (document.hidden ? this.disconnect() : this.connect()));
  }

  connect() {
    if (this.source || document.hidden) return;
    clearTimeout(this.timer);
    this.source = new EventSource(this.url);
    this.source.addEventListener("open", () => this.onState(true));
    this.source.addEventListener("result", (event) => this.onResult(JSON.parse(event.data)));
    this.source.addEventListener("alert", (event) => this.onAlert(JSON.parse(event.data)));
    this.source.addEventListener("error", () => {
      this.onState(false);
      if (this.source?.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
      this.disconnect();
      this.timer = setTimeout(() => this.connect(), AGAIN_MS);
    });
  }

  disconnect() {
    this.source?.close();
    this.source = null;
    this.onState(false);
  }
}
