#!/bin/sh
# Puts a policy in force: reload.sh [POLICY [FOLDER]], where FOLDER holds nginx.conf and the module.
#
# NGINX reads the plugin's configuration when a worker starts, so `nginx -t` passes whatever is in it. With a broken
# one every worker denies everything, and without the module's file the master process ends. So each step is taken only
# after the one before it went well, and what is in force is replaced last.
set -eu

policy=${1:-policy.gate}
folder=${2:-.}
image=$folder/portcullis.image
configuration=$folder/portcullis.json

portcullis check "$policy"
portcullis compile --strip-symbols "$policy" -o "$image"
portcullis inspect "$image" >/dev/null

if [ ! -s "$folder/portcullis_proxy.opt.wasm" ]; then
    echo "reload.sh: $folder/portcullis_proxy.opt.wasm is missing; \`cargo xtask plugin\` prints where it is" >&2
    exit 1
fi

# In two steps, for the shell does not see that a command in a pipe failed.
gzip -n -9 -c "$image" >"$image.gz"
printf '{"image_gzip": "%s", "gateway": "nginx", "log": "denied"}\n' \
    "$(base64 <"$image.gz" | tr -d '\n')" >"$configuration.new"

nginx -p "$folder" -c nginx.conf -t
mv "$configuration.new" "$configuration"
nginx -p "$folder" -c nginx.conf -s reload
