#!/usr/bin/env bash
# Builds the image for this machine's architecture and pushes it as REPOSITORY:REVISION-ARCHITECTURE.
#   build-image.sh REPOSITORY REVISION ARCHITECTURE
set -euo pipefail
repository=$1 revision=$2 architecture=$3

docker build --file docker/Dockerfile --platform "linux/$architecture" \
  --build-arg "VERSION=$(jq --raw-output .version package.json)" \
  --build-arg "REVISION=$revision" \
  --build-arg "CREATED=$(git show --no-patch --format=%cI "$revision")" \
  --build-arg "SOURCE=${GITHUB_SERVER_URL:-https://github.com}/${GITHUB_REPOSITORY:-unknown}" \
  --tag "$repository:$revision-$architecture" .
docker push "$repository:$revision-$architecture"
