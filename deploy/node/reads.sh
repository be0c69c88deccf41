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

# Of the configuration only certificate paths and the server names beside them leave the node.
summary() {
  awk -v token="$token" '
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
    function directive(   i, here) {
      here = depth ? block[depth] : 0
      if (word[1] == "ssl_certificate") files[here] = files[here] path(word[2]) "\n"
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
        total = split(read, file, "\n")
        named = split(names[b], name, "\n")
        for (f = 1; f < total; f++) {
          if (!(file[f] in list)) { order[++kept] = file[f]; list[file[f]] = "" }
          for (n = 1; n < named; n++) {
            if ((file[f], name[n]) in known || length(list[file[f]]) > 2000) continue
            known[file[f], name[n]] = 1
            list[file[f]] = list[file[f]] " " name[n]
          }
        }
      }
      for (f = 1; f <= kept && f <= 500; f++) print token, "reads", order[f] "\t" substr(list[order[f]], 2)
    }'
}
