# shellcheck shell=sh
# What is done to a layout only where a person said yes. It is part of the transaction: what lay there before is kept,
# and put back when the transaction is undone.

# All of the order is looked at before anything is changed.
adopt_layout() {
  while read -r what first second path; do
    case $what in
      keep)
        numbered "$first" || refuse stage adopt "$what"
        keep=$first
        ;;
      directory) directory=yes ;;
      mode) may_tighten "$first" || refuse stage adopt "$first" ;;
      read | back) may_replace "$first" "$path" || refuse stage "$why" "$path" ;;
      *) refuse stage adopt "$what" ;;
    esac
  done <<END
${adopts%
}
END
  while read -r what first second path; do
    case $what in
      mode) tighten "$first" || refuse stage adopt "$first" ;;
      read | back) guarded "$(physical "$path")" || refuse stage unguarded "$loose" ;;
    esac
  done <<END
${adopts%
}
END
  [ -z "$tightened" ] || refuse_planted
}

may_tighten() {
  case $1 in
    . | live | archive | "$live" | "$archive") return 0 ;;
    "$archive"/*) 
      versioned "${1##*/}" && [ "$1" = "$archive/$kind$version.pem" ] || return 1
      case $kind in privkey | combined) ;; *) return 1 ;; esac
      ;;
    *) return 1 ;;
  esac
}

# A path of nginx's, and of a kind that live has. Whoever may only log in for orders reaches no other place than live.
may_replace() {
  why=adopt
  case $1 in privkey | cert | chain | fullchain) ;; *) return 1 ;; esac
  case $2 in /*/?*) here=$(physical "$2") || return 1 ;; *) return 1 ;; esac
  case $here/ in "$(pwd -P)"/archive/*) return 1 ;; esac
  [ -n "$pinned" ] || return 0
  why=beyond
  case ${2##*/} in privkey.pem | cert.pem | chain.pem | fullchain.pem) ;; *) return 1 ;; esac
  [ "${here%/*}" = "$(pwd -P)/live" ]
}

# The outermost folder comes first: what is in it can't be exchanged any more then.
tighten() {
  [ ! -L "$1" ] && [ -e "$1" ] || return 1
  was=$(stat -c '%a %u:%g' "$1") || return 1
  tightened="$was $1
$tightened"
  if [ -d "$1" ]; then
    # shellcheck disable=SC3067
    { [ -O "$1" ] || chown "$(id -u)" "$1"; } && chmod go-w "$1"
  else
    chmod o-rwx "$1"
  fi
}

loosen() {
  while read -r mode owner path; do
    [ -z "$mode" ] || { chown "$owner" "$path" && chmod "$mode" "$path"; }
  done <<END
$tightened
END
  tightened=''
}

# Where others could write a moment ago, what looks like our own unfinished work may be theirs.
refuse_planted() {
  for path in "$next" "$former" "$staging" "$record"; do
    if [ -e "$path" ] || [ -L "$path" ]; then resumed=yes && refuse stage planted "$path"; fi
  done
}

# What live leads to becomes a version of the archive, with the modes and owners that it has, or narrower ones.
keep_live() {
  [ -d "$staging" ] || mkdir "$staging" || return 1
  set --
  for kind in $kinds; do
    if [ ! -f "$live/$kind.pem" ] || [ -e "$archive/$kind$keep.pem" ]; then continue; fi
    file=$staging/$kind$keep.pem
    cp -pL "$live/$kind.pem" "$file" && chmod ug-s,go-wx "$file" || return 1
    case $kind in privkey | combined) chmod o-r "$file" || return 1 ;; esac
    set -- "$@" "$file"
  done
  [ $# -gt 0 ] || return 0
  sync "$@" && ln "$@" "$archive/" && sync "$archive"
}

# Sets $kept to the number that holds what live leads to, if it is one to go back to.
keep_former() {
  # Else a run that was cut off has kept it already.
  if [ "$exact" = no ]; then
    for kind in $kinds; do
      if [ ! -f "$live/$kind.pem" ] || [ ! -e "$archive/$kind$keep.pem" ]; then continue; fi
      [ "$(sha256sum <"$live/$kind.pem")" = "$(sha256sum <"$archive/$kind$keep.pem")" ] ||
        refuse stage differs "$archive/$kind$keep.pem"
    done
    said=$(keep_live 2>&1) || refuse stage staging
  fi
  ! whole "$keep" || ! paired "$keep" || kept=$keep
}

# A directory with what the link leads to; folders in it stay where they are.
become_directory() {
  mkdir "$next" || return 1
  set +f
  for path in "$live"/*; do
    [ -d "$path" ] || { [ ! -f "$path" ] && [ ! -L "$path" ]; } || cp -a "$path" "$next/" || return 1
  done
  set -f
  chmod 755 "$next"
}

# After the switch: what nginx reads elsewhere leads to live then, and what was there is beside it.
take_places() {
  while read -r what kind second path; do
    case $what in
      read)
        said=$(take_place 2>&1) || undo switch
        [ -z "$said" ] || say kept "$kind $said $path"
        ;;
      back) said=$(hand_back 2>&1) || undo switch ;;
    esac
  done <<END
${adopts%
}
END
}

# Written down before it is done. At every instant there is a file at $path.
take_place() {
  link=$root/$live/$kind.pem
  if [ "$(readlink "$path")" = "$link" ]; then
    placed_before
    return
  fi
  [ "$(sha256sum <"$path")" = "$second  -" ] || {
    printf '%s is not what it was when the plan was made\n' "$path"
    return 1
  }
  spare=.before-certs count=1
  while [ -e "$path$spare" ] || [ -L "$path$spare" ]; do
    # As a run leaves it that was cut off here.
    [ "$(sha256sum <"$path$spare" 2>/dev/null)" != "$second  -" ] || break
    count=$((count + 1)) spare=.before-certs-$count
  done
  printf '%s %s %s\n' "$kind" "$spare" "$path" >>"$record" && sync "$record" archive || return 1
  if [ ! -e "$path$spare" ]; then
    if [ -L "$path" ] || ! ln "$path" "$path$spare" 2>/dev/null; then cp -a "$path" "$path$spare" || return 1; fi
  fi
  rm -f "$path.certs-next" && ln -s "$link" "$path.certs-next" && sync "${path%/*}" || return 1
  mv -f "$path.certs-next" "$path" && sync "${path%/*}" || return 1
  printf '%s' "$spare"
}

# A run that was cut off has done it: what was there is beside it.
placed_before() {
  spare='' count=1
  while [ -e "$path.before-certs$spare" ] || [ -L "$path.before-certs$spare" ]; do
    [ "$(sha256sum <"$path.before-certs$spare")" != "$second  -" ] || printf '%s' ".before-certs$spare"
    count=$((count + 1)) spare=-$count
  done
}

hand_back() {
  spare=${second#.before-certs}
  [ "$second" = .before-certs ] || numbered "${spare#-}" || return 1
  [ "$second" = ".before-certs$spare" ] || return 1
  [ "$(readlink "$path")" = "$root/$live/$kind.pem" ] || return 0
  [ -e "$path$second" ] || [ -L "$path$second" ] || {
    printf '%s is gone\n' "$path$second"
    return 1
  }
  mv -f "$path$second" "$path" && sync "${path%/*}"
}
