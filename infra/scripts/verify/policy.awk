# Reads a policy document (JSON) and prints a line for each statement, its fields by tabs:
# effect, actions, principals, resources, conditions; several values of one field are separated by spaces.
# A condition is operator/key=value. What is allowed or denied by exclusion (NotAction …) is printed with a leading "!".

function fail(why) { print "unreadable\t" why; exit 1 }
function peek() { match(rest, /^[ \t\r\n]+/); if (RSTART == 1) rest = substr(rest, RLENGTH + 1); return substr(rest, 1, 1) }
function take(c) { if (peek() != c) fail("expected " c " at " substr(rest, 1, 20)); rest = substr(rest, 2) }

function string(    text, c) {
  take("\"")
  text = ""
  while ((c = substr(rest, 1, 1)) != "\"") {
    if (c == "") fail("a string does not end")
    if (c == "\\") { rest = substr(rest, 2); c = substr(rest, 1, 1); if (c == "n" || c == "t") c = " " }
    text = text c
    rest = substr(rest, 2)
  }
  rest = substr(rest, 2)
  return text
}

# Walks one value and tells `leaf` of each string, number or word in it, with the names on the way to it.
function value(path,    c, i, key) {
  c = peek()
  if (c == "{") {
    take("{")
    if (peek() == "}") { take("}"); return }
    do { key = string(); take(":"); value(path SUBSEP key) } while (peek() == "," && (rest = substr(rest, 2)) != "")
    take("}")
  } else if (c == "[") {
    take("[")
    if (peek() == "]") { take("]"); return }
    i = 0
    do { value(path SUBSEP "#" i++) } while (peek() == "," && (rest = substr(rest, 2)) != "")
    take("]")
  } else if (c == "\"") leaf(path, string())
  else if (match(rest, /^[-+.a-zA-Z0-9]+/)) { key = substr(rest, 1, RLENGTH); rest = substr(rest, RLENGTH + 1); leaf(path, key) }
  else fail("expected a value at " substr(rest, 1, 20))
}

function leaf(path, text,    part, n, at, field, i, names) {
  n = split(path, part, SUBSEP)
  if (part[2] != "Statement") return
  # One statement may stand there without a list around it.
  at = 0
  i = 3
  if (part[3] ~ /^#/) { at = substr(part[3], 2) + 0; i = 4 }
  if (at + 1 > statements) statements = at + 1
  field = part[i]
  if (field == "Condition") {
    names = part[i + 1] "/" part[i + 2]
    add(at, "Condition", names "=" text)
  } else if (field == "Principal" || field == "NotPrincipal") {
    add(at, "Principal", (field == "NotPrincipal" ? "!" : "") (part[i + 1] == "" || part[i + 1] ~ /^#/ ? "" : part[i + 1] ":") text)
  } else if (sub(/^Not/, "", field)) add(at, field, "!" text)
  else add(at, field, text)
}

function add(at, field, text) { found[at, field] = found[at, field] (found[at, field] == "" ? "" : " ") text }

{ rest = rest $0 "\n" }
END {
  if (rest !~ /[^ \t\r\n]/ || rest ~ /^None/) exit 0
  value("")
  for (at = 0; at < statements; at++)
    printf "%s\t%s\t%s\t%s\t%s\n", found[at, "Effect"], found[at, "Action"], found[at, "Principal"], found[at, "Resource"], found[at, "Condition"]
}
