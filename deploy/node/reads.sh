# shellcheck shell=sh
# Tests a service. What nginx is told to read comes with it: `nginx -T` is `nginx -t` that then prints the
# configuration, so one run gives both.

examine() {
  if ! command -v "$1" >/dev/null; then
    say test 127
    say said "$1 is not installed"
    return
  fi
  if [ "$service" = nginx ]; then
    dumping "$@"
    return
  fi
  # Some print their whole configuration when it is right.
  hear "$@" || quote said "$said"
  say test "$status"
  said='' status=''
}

reader=summary

# Turns the -t that follows an nginx into -T.
dumping() {
  count=$# seen=''
  while [ "$count" -gt 0 ]; do
    word=$1
    shift
    case $seen:$word in
      :nginx | :*/nginx | :openresty | :*/openresty | :angie | :*/angie) seen=nginx ;;
      nginx:-t) word=-T seen=-T ;;
    esac
    set -- "$@" "$word"
    count=$((count - 1))
  done
  told '' "$@" | "$reader"
}

summary() {
  if [ -z "$names" ]; then
    uses
    return
  fi
  found=$(uses)
  printf '%s\n' "$found"
  case $found in *"$token elsewhere "*) look_elsewhere ;; esac
}

# Of the configuration only certificate paths and the server names beside them leave the node.
uses() {
  names=$names folders=$certificates live=$root/live/ awk -v token="$token" '
    $1 == token && $2 == "exit" { print token, "test", $3; exit }
    /^# configuration file .*:\r?$/ {
      if (folder == "") { folder = $4; sub(/[^\/]*:?\r?$/, "", folder) }
      next
    }
    folder == "" {
      said += length($0) + 1
      if ($0 != "" && said < 8192) print token, "said", $0
      next
    }
    {
      line = rest $0
      rest = ""
      while (line != "") {
        first = substr(line, 1, 1)
        if (match(line, /^[ \t\r\n]+/)) { line = substr(line, RLENGTH + 1); continue }
        if (first == "#") break
        if (first == ";" || first == "{" || first == "}") {
          if (first == ";") directive()
          if (first == "{") open()
          if (first == "}") { if (depth > 0) depth-- }
          words = 0
          line = substr(line, 2)
          continue
        }
        if (first == "\"" || first == "\047") {
          if (first == "\"") match(line, /^"([^"\\]|\\.)*"/)
          else match(line, /^\047([^\047\\]|\\.)*\047/)
          if (RLENGTH < 0) { rest = line "\n"; break }
          word[++words] = substr(line, 2, RLENGTH - 2)
        } else {
          match(line, /^([$][{][^}]*[}]|[^ \t\r\n;{}])+/)
          if (RLENGTH < 1) RLENGTH = 1
          word[++words] = substr(line, 1, RLENGTH)
        }
        line = substr(line, RLENGTH + 1)
      }
    }
    function open() {
      block[++depth] = ++blocks
      kind[blocks] = words ? word[1] : ""
      parent[blocks] = depth > 1 ? block[depth - 1] : 0
    }
    BEGIN {
      total = split(ENVIRON["names"], name, " ")
      for (n = 1; n <= total; n++) ours[name[n]] = 1
      homes = split(ENVIRON["folders"], home, " ")
      split("", name)
    }
    function covered(name) {
      if (name in ours) return 1
      sub(/^[^.]+/, "*", name)
      return name in ours
    }
    function astray(file,   h) {
      if (file !~ /^\// || file in told) return
      for (h = 1; h <= homes; h++) if (index(file, ENVIRON["live"] home[h] "/") == 1) return
      told[file] = 1
      if (++strays <= 40) print token, "elsewhere", file
    }
    function directive(   i, here) {
      here = depth ? block[depth] : 0
      if (word[1] == "ssl_certificate") files[here] = files[here] path(word[2]) "\n"
      if (word[1] == "ssl_certificate_key") keys[here] = keys[here] path(word[2]) "\n"
      if (word[1] == "server_name") for (i = 2; i <= words; i++) names[here] = names[here] word[i] "\n"
      if (word[1] == "listen") for (i = 3; i <= words; i++) if (word[i] == "ssl" || word[i] == "quic") tls[here] = 1
      if (word[1] == "ssl" && word[2] == "on") tls[here] = 1
    }
    function path(file) {
      if (file ~ /^(\/|[$])/) return file
      if (file ~ /^(data|engine|store):/) { sub(/:.*/, ":", file); return file }
      return folder file
    }
    END {
      for (b = 1; b <= blocks; b++) {
        if (kind[b] != "server") continue
        read = files[b]
        if (read == "" && tls[b]) read = files[parent[b]]
        hold = keys[b]
        if (hold == "") hold = keys[parent[b]]
        total = split(read, file, "\n")
        held = split(hold, key, "\n")
        named = split(names[b], name, "\n")
        for (f = 1; f < total; f++) {
          pair = file[f] "\t" (f < held ? key[f] : "")
          if (!(pair in list)) { order[++kept] = pair; list[pair] = "" }
          for (n = 1; n < named; n++) {
            if (covered(name[n])) mine[pair] = 1
            if ((pair, name[n]) in known || length(list[pair]) > 2000) continue
            known[pair, name[n]] = 1
            list[pair] = list[pair] " " name[n]
          }
        }
      }
      for (f = 1; f <= kept && f <= 500; f++) {
        split(order[f], word, "\t")
        print token, "reads", word[1] "\t" substr(list[order[f]], 2) "\t" word[2]
        if (order[f] in mine) { astray(word[1]); astray(word[2]) }
      }
    }'
}

# What nginx reads for names of ours from elsewhere than their live: where it leads, what it is, who could change it.
look_elsewhere() {
  home=$(cd -P "$root" 2>/dev/null && pwd -P) || home=$root
  set --
  while read -r mark what path; do
    if [ "$mark $what" != "$token elsewhere" ] || [ ! -f "$path" ]; then continue; fi
    set -- "$@" "$path"
    follow
    say leads "$path	${place#"$home"/}"
    guarded "$(physical "$path")" || say loose "$path	$loose"
  done <<END
$found
END
  [ $# -gt 0 ] || return
  stat -c "$token stat %F/%a/%U:%G/%N" "$@" 2>/dev/null
  quote sum "$(sha256sum "$@" 2>/dev/null)"
  first_blocks "$@"
}

# Sets $place to where the links from $path lead: into live of one of ours, or to their end.
follow() {
  place=$path hops=0
  while folder=$(physical "$place"); do
    place=${folder%/}/${place##*/} hops=$((hops + 1))
    name=${place#"$home"/live/} name=${name%%/*}
    case "$certificates " in *" ${name:-/} "*) return ;; esac
    { [ -L "$place" ] && [ "$hops" -lt 9 ]; } || return
    target=$(readlink "$place")
    case $target in /*) place=$target ;; *) place=$folder/$target ;; esac
  done
}
