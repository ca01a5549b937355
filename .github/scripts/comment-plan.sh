#!/usr/bin/env bash
# Puts a plan under a pull request, in the place of the one before.
#   GH_TOKEN=… GITHUB_REPOSITORY=… comment-plan.sh PULL_REQUEST MARKDOWN_FILE
set -euo pipefail
marker=$(head -n 1 "$2")
comments=repos/$GITHUB_REPOSITORY/issues/$1/comments
# Of our own comments only: anybody may write the marker.
former=$(gh api --paginate "$comments" | jq --slurp --raw-output --arg marker "$marker" '
  [.[][] | select(.user.login == "github-actions[bot]" and (.body | startswith($marker)))] | first | .id // empty')
if [[ -n $former ]]; then
  gh api --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$former" --field "body=@$2" --silent
else
  gh api --method POST "$comments" --field "body=@$2" --silent
fi
