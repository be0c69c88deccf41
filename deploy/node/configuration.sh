# shellcheck shell=sh
# What of nginx's configuration leaves the node for an audit: blocks that may hold certificates, what is said in
# them of names, addresses and certificate files, and includes; each with its line. `nginx -T` prints the files one
# after the other, so what is included where is put together by the controller.

configuration() {
  awk -v token="$token" '
    $1 == token && $2 == "exit" { print token, "test", $3; exit }
    /^# configuration file .*:\r?$/ {
      path = $0
      sub(/^# configuration file /, "", path)
      sub(/:\r?$/, "", path)
      print token, "conf", "file\t" path
      dumped = 1; line = 0; words = 0; depth = 0; lua = 0; rest = ""
      next
    }
    !dumped {
      said += length($0) + 1
      if ($0 != "" && said < 8192) print token, "said", $0
      next
    }
    {
      line++
      text = rest $0
      rest = ""
      if (lua) { text = after_lua(text); if (lua) next }
      while (text != "") {
        first = substr(text, 1, 1)
        if (match(text, /^[ \t\r\n]+/)) { text = substr(text, RLENGTH + 1); continue }
        if (first == "#") break
        if (first == ";" || first == "{" || first == "}") {
          text = substr(text, 2)
          if (first == ";") directive()
          if (first == "}" && depth > 0 && kept[depth--]) print token, "conf", "shut"
          if (first == "{") {
            if (words && word[1] ~ /_by_lua_block$/) {
              lua = 1; words = 0
              text = after_lua(text)
              continue
            }
            open()
          }
          words = 0
          continue
        }
        if (first == "\"" || first == "\047") {
          if (first == "\"") match(text, /^"([^"\\]|\\.)*"/)
          else match(text, /^\047([^\047\\]|\\.)*\047/)
          if (RLENGTH < 0) { rest = text "\n"; break }
        } else {
          match(text, /^([$][{][^}]*[}]|\\.|[^ \t\r\n;{\\])+/)
          if (RLENGTH < 1) RLENGTH = 1
        }
        if (!words) began = line
        word[++words] = substr(text, 1, RLENGTH)
        text = substr(text, RLENGTH + 1)
      }
    }
    function open() {
      depth++
      kept[depth] = words == 1 && word[1] ~ /^(http|stream|mail|server)$/
      if (kept[depth]) print token, "conf", "open\t" began "\t" word[1]
    }
    function directive(   i, said_) {
      if (word[1] !~ /^(listen|server_name|include|ssl|starttls|([a-z]+_)?ssl_(trusted_|client_)?certificate(_key)?)$/) return
      said_ = began
      for (i = 1; i <= words; i++) {
        # A certificate or key written into the configuration itself stays here.
        if (i > 1 && word[i] ~ /^["\047]?(data|engine|store):/) {
          sub(/:.*/, ":", word[i])
          sub(/^["\047]/, "", word[i])
        }
        gsub(/[\t\n]/, " ", word[i])
        said_ = said_ "\t" word[i]
      }
      print token, "conf", "set\t" said_
    }
    # The rest behind the brace that ends a block of Lua, which has words and quotes of its own.
    function after_lua(code,   first) {
      while (code != "") {
        first = substr(code, 1, 1)
        if (first == "-" && substr(code, 2, 1) == "-") return ""
        if (first == "\"" && match(code, /^"([^"\\]|\\.)*"/)) { code = substr(code, RLENGTH + 1); continue }
        if (first == "\047" && match(code, /^\047([^\047\\]|\\.)*\047/)) { code = substr(code, RLENGTH + 1); continue }
        if (first == "{") lua++
        code = substr(code, 2)
        if (first == "}" && --lua == 0) return code
      }
      return ""
    }'
}
