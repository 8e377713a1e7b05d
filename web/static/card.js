// One camera's card: its newest picture with boxes, the count, when it was, and the trend.

import { cameAt, cameraPage, pictureUrl } from "./api.js";
import { element, setText } from "./dom.js";
import { PictureView } from "./picture.js";
import { StateBadge } from "./state.js";
import { Trend } from "./trend.js";
import { number, time, timeInFull } from "./words.js";

const PICTURE_EVERY_MS = 250;

export class CameraCard {
  constructor(camera_id) {
    this.view = new PictureView();
    this.trend = new Trend();
    this.badge = new StateBadge();
    this.number = element("b");
    this.unit = document.createTextNode("faces");
    this.camera_id = camera_id;
    this.link = element("a", { class: "camera-link", href: cameraPage(camera_id) }, camera_id);
    this.venue = element("small", { class: "camera-venue" });
    this.when = element("time");
    this.alerts = element("a", { class: "card-alerts", href: "/alerts", hidden: true });
    this.view.root.append(this.badge.root);
    this.root = element(
      "li",
      { class: "card panel" },
      this.view.root,
      element(
        "div",
        { class: "about" },
        element("h3", {}, this.link, this.venue),
        element("p", { class: "when" }, this.when, this.alerts),
        element("p", { class: "count" }, this.number, this.unit),
      ),
      this.trend.root,
    );
    this.result = null;
    this.state = "starting"; // as its results tell
    this.trouble = null; // why its capture fails
    this.showState();
    this.hasPicture = true;
    this.loading = false;
    this.seen = true;
    new IntersectionObserver(([entry]) => this.setSeen(entry.isIntersecting)).observe(this.root);
  }

  /** Take in what the overview says of the camera. */
  update(camera, period) {
    this.hasPicture = camera.has_picture;
    setText(this.link, camera.name || this.camera_id);
    setText(this.venue, camera.venue ? ` ${camera.venue}` : "");
    this.link.title = this.camera_id;
    this.state = camera.state;
    this.showState();
    this.trend.show(camera.trend, period);
    this.take(camera.result);
  }

  /** Show a result, unless a later one is shown. */
  take(result) {
    if (this.result && cameAt(result) < cameAt(this.result)) return;
    if (this.result && pictureUrl(result) === pictureUrl(this.result)) return;
    this.result = result;
    setText(this.number, result.status === "ok" ? number(result.total_faces) : "–");
    this.unit.data = result.total_faces === 1 ? "face" : "faces";
    setText(this.when, time(result.captured_at));
    this.when.dateTime = result.captured_at;
    this.when.title = timeInFull(result.captured_at);
    this.refresh();
  }

  get isQuiet() {
    return this.badge.state === "quiet";
  }

  showState() {
    if (this.trouble === null) this.badge.show(this.state);
    else this.badge.show("offline", this.trouble);
  }

  /** Say why the camera's capture fails, which makes it offline; null while it does not. */
  setTrouble(why) {
    this.trouble = why;
    this.showState();
    if (why !== null && !this.result) this.view.say(why, "failed");
  }

  /** Say how many alerts of this camera are open. */
  setAlerts(count) {
    this.alerts.hidden = count === 0;
    setText(this.alerts, `${number(count)} open ${count === 1 ? "alert" : "alerts"}`);
  }

  setSeen(seen) {
    this.seen = seen;
    this.refresh();
  }

  /** Show the newest picture, a few a second at most, and only while somebody can see it. */
  async refresh() {
    if (this.loading || !this.seen || document.hidden || !this.result || this.result === this.shown) return;
    this.loading = true;
    this.shown = this.result;
    if (this.hasPicture) await this.view.show(this.shown, pictureUrl(this.shown));
    else this.view.say("Counted by another detector, which keeps the picture", "elsewhere");
    setTimeout(() => {
      this.loading = false;
      this.refresh();
    }, PICTURE_EVERY_MS);
  }
}
