#!/usr/bin/env bash
# Joins the images of both architectures under one tag, and says the digest that is deployed from then on.
#   join-image.sh REPOSITORY REVISION
set -euo pipefail
repository=$1 revision=$2

docker buildx imagetools create --tag "$repository:$revision" "$repository:$revision-amd64" "$repository:$revision-arm64"
digest=$(docker buildx imagetools inspect "$repository:$revision" --format '{{ json .Manifest }}' | jq --exit-status --raw-output .digest)
[[ $digest =~ ^sha256:[0-9a-f]{64}$ ]]
echo "digest=$digest" >>"${GITHUB_OUTPUT:-/dev/stdout}"
