// The settings: cameras, users, keys, notifications. What somebody may not change is said, not hidden.

import { showAccess } from "./settings_access.js";
import { showCameras } from "./settings_cameras.js";
import { showNotifications } from "./settings_notifications.js";
import { showOwnPassword } from "./settings_password.js";

const byId = (id) => document.getElementById(id);

showCameras(byId("cameras"), byId("add-camera"), byId("camera-form"));
showAccess(byId("users"), byId("keys"));
showNotifications(byId("notifications"));
if (byId("own-password")) showOwnPassword(byId("own-password"));
