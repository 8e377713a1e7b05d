// Run once by the image of MongoDB, when its volume is empty: the user of Crowdwatch, who may do anything in its
// database and nothing elsewhere.
const password = require('fs').readFileSync('/run/secrets/mongodb_password', 'utf8').trim();
db.getSiblingDB('FaceDetectionDB').createUser({
  user: 'crowdwatch',
  pwd: password,
  roles: [{ role: 'dbOwner', db: 'FaceDetectionDB' }],
});
