// Zones and lines as geometry: coordinates from 0 to 1, x to the right, y down. Nothing here touches the page.

/** Where a face counts as being, in 0 to 1: the centre of its box, or the middle of its lower edge. */
export function anchorOf(box, image, anchor) {
  const y = anchor === "bottom_center" ? box.y + box.height : box.y + box.height / 2;
  return [(box.x + box.width / 2) / image.width, y / image.height];
}

/** Whether a point lies inside a polygon (even-odd rule). */
export function isInside([x, y], polygon) {
  return polygon.reduce((inside, [ax, ay], place) => {
    const [bx, by] = polygon[(place + polygon.length - 1) % polygon.length];
    return ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax ? !inside : inside;
  }, false);
}

/** How many faces of a result are in a zone; null when the result tells nothing of it. */
export function occupancy(result, zone) {
  if (result.status !== "ok" || !result.image) return null;
  return result.faces.filter(({ bounding_box: box }) => isInside(anchorOf(box, result.image, zone.anchor), zone.polygon)).length;
}

/** The unit vector, on a picture of this shape, from a line towards its `in` side. */
export function inwards({ from, to }, aspect) {
  const [dx, dy] = [(to[0] - from[0]) * aspect, to[1] - from[1]];
  const length = Math.hypot(dx, dy) || 1;
  return [-dy / length, dx / length];
}

/** Keep a point on the picture. */
export const onPicture = ([x, y]) => [Math.min(1, Math.max(0, x)), Math.min(1, Math.max(0, y))].map((value) => Math.round(value * 1e4) / 1e4);

/** Move points together, as far as all of them stay on the picture. */
export function moved(points, dx, dy) {
  const room = (axis, by) => {
    const values = points.map((point) => point[axis]);
    return Math.min(1 - Math.max(...values), Math.max(-Math.min(...values), by));
  };
  const [right, down] = [room(0, dx), room(1, dy)];
  return points.map(([x, y]) => onPicture([x + right, y + down]));
}

/** A name that is not taken: "zone 1", "zone 2", … */
export function freeName(kind, taken) {
  let count = 1;
  while (taken.includes(`${kind} ${count}`)) count += 1;
  return `${kind} ${count}`;
}

export const newZone = (polygon, taken) => ({
  name: freeName("zone", taken), polygon, anchor: "center", area_m2: null, limit: null, roles: ["density"], schedule: [], minimum_stay_s: 2,
});

export const newLine = ([from, to], taken) => ({ name: freeName("line", taken), from, to, anchor: "center", venue: null });

export const MIDDLE_ZONE = [[0.3, 0.3], [0.7, 0.3], [0.7, 0.7], [0.3, 0.7]];
export const MIDDLE_LINE = [[0.5, 0.2], [0.5, 0.8]];
export const newGround = () => ({ image: [[0.3, 0.5], [0.7, 0.5], [0.9, 0.9], [0.1, 0.9]], metres: [[0, 5], [4, 5], [4, 0], [0, 0]] });
