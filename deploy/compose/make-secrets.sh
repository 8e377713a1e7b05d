#!/bin/sh
# Makes the secrets that docker-compose.yml reads, each once, in deploy/compose/secrets. Run it before the first
# `docker compose up`; run again it leaves what is there. Nothing has a password that one could guess.
#
# The folder is for its owner alone. The files in it can be read by all, because each container reads its secrets as a
# user of its own; on the host nobody else gets past the folder.
set -eu
umask 077
folder="$(dirname "$0")/secrets"
mkdir -p "$folder"
chmod 0700 "$folder"

random() {
    head -c "${1:-24}" /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'
}

# keep NAME VALUE: write a secret that is not there yet
keep() {
    if [ ! -e "$folder/$1" ]; then
        printf '%s' "$2" > "$folder/$1"
        chmod 0444 "$folder/$1"
        echo "made $folder/$1"
    fi
}

keep redis_password "$(random)"
keep redis_users "user default off
user crowdwatch on >$(cat "$folder/redis_password") ~* &* +@all -@admin
"
keep redis_url "redis://crowdwatch:$(cat "$folder/redis_password")@redis:6379/0"

keep mongodb_root_password "$(random)"
keep mongodb_password "$(random)"
keep mongodb_key "$(head -c 512 /dev/urandom | base64 | tr -d '\n')"
keep mongodb_uri "mongodb://crowdwatch:$(cat "$folder/mongodb_password")@mongodb:27017/?replicaSet=rs0&authSource=FaceDetectionDB"

keep flower_sign_in "crowdwatch:$(random)"
keep kafka_ui_password "$(random)"
keep grafana_password "$(random)"

# An API key for /metrics of the web; docs/deployment/compose.md says how it gets here.
keep metrics_key ""
chmod 0644 "$folder/metrics_key"
