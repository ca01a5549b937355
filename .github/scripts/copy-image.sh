#!/usr/bin/env bash
# Copies an image, both architectures, into the registry of an environment: the same octets, so the same digest.
#   copy-image.sh FROM_REPOSITORY DIGEST ECR_REPOSITORY_URL REVISION
set -euo pipefail
from=$1 digest=$2 repository=$3 revision=$4
registry=${repository%%/*} name=${repository#*/}

there() { aws ecr describe-images --repository-name "$name" --image-ids "imageDigest=$digest" >/dev/null; }

# Tags there never change, so a job that is run again must not push twice.
if there 2>/dev/null; then
  echo "$repository@$digest is there already"
  exit 0
fi
aws ecr get-login-password | docker login --username AWS --password-stdin "$registry"
docker buildx imagetools create --tag "$repository:$revision" "$from@$digest"
there
