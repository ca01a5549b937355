#!/usr/bin/env bash
# A plan as Markdown: how much changes, what is destroyed, then all of it.
#   plan-markdown.sh ENVIRONMENT PLAN_JSON PLAN_TEXT
set -euo pipefail
here=$(dirname "$0")
# A comment holds 65,536 characters.
longest=${LONGEST:-60000}

echo "<!-- plan of $1 -->"
jq --raw-output --arg environment "$1" '
  def count(f): [.resource_changes[]? | select(.change.actions | f)] | length;
  "### \($environment): \(count(index("create") and (index("delete") | not))) to add, " +
  "\(count(index("update"))) to change, \(count(index("create") and index("delete"))) to replace, " +
  "\(count(. == ["delete"])) to destroy",
  "",
  (.resource_changes[]? | select(.change.actions | index("delete"))
    | "- **\(if .change.actions == ["delete"] then "destroys" else "replaces" end)** \(.address)")
' "$2" | "$here/sanitise-plan.sh"
printf '\n<details><summary>The whole plan</summary>\n\n```\n'
text=$("$here/sanitise-plan.sh" <"$3")
printf '%s\n' "${text:0:longest}"
if ((${#text} > longest)); then echo "… $((${#text} - longest)) characters more: see the job's log"; fi
printf '```\n\n</details>\n'
