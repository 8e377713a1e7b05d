// Health check of MongoDB, as root. A replica set of one has to be made by somebody: the first check does it.
const password = require('fs').readFileSync('/run/secrets/mongodb_root_password', 'utf8').trim();
db.getSiblingDB('admin').auth('root', password);
try {
  rs.status();
} catch (error) {
  if (error.codeName !== 'NotYetInitialized') throw error;
  rs.initiate({ _id: 'rs0', members: [{ _id: 0, host: 'mongodb:27017' }] });
}
quit(db.hello().isWritablePrimary ? 0 : 1);
