# shellcheck shell=sh
# install and rollback: one transaction that leaves the node untouched or complete. Whatever happens to the
# connection, it runs to its end.

transact() {
  certificate=${certificates# } reloaded=''
  live=live/$certificate archive=archive/$certificate
  next=live/.$certificate.next former=live/.$certificate.former staging=$archive/.stage
  record=archive/.$certificate.adopted keep='' kept='' directory=no tightened='' why=''
  created='' made_root=no staged=no sound=yes resumed=no said='' status=''
  if ! named "$certificate" || [ -z "$number" ] || [ -z "$services" ]; then fail lock unchanged order; fi

  enter
  take_lock
  say step locked
  # Once what was live before is gone, so is the way back.
  if [ -d "$former" ] || [ -L "$former" ]; then resumed=yes; else absent "$record"; fi
  wants_combined
  [ -z "$adopts" ] || adopt_layout
  refuse_unsafe
  "check_$verb"
  links_of "$live"
  before=$agreed
  if [ "$exact" = yes ] && [ -z "$adopts" ] && whole "$number" "$kinds"; then
    outcome=reloaded
    if [ "$resumed" = yes ]; then
      outcome=installed
      links_of "$former"
      before=$agreed
    elif [ "$force" != yes ]; then
      # What a run could not take away in its end.
      absent "$staging" && absent "$next"
      answer unchanged
      return
    fi
    for service in $services; do running || refuse baseline stopped; done
  else
    outcome=installed
    baseline
    if [ "$verb" = install ] || ! whole "$number" "$kinds"; then place_files; fi
    place_links
    [ -z "$adopts" ] || take_places
  fi
  try
  rm -rf "$staging" "$next" "$next.away" "$former" "$record"
  answer "$outcome"
}

# Makes the root and archive of a node that has none.
enter() {
  if [ ! -d "$root" ]; then
    said=$(mkdir "$root" 2>&1) || fail lock unchanged root
    made_root=yes
  fi
  cd "$root" 2>/dev/null || fail lock unchanged root
  need archive || fail lock unchanged root
}

# Where it is asked for; and where it is already, so that it is not left behind.
wants_combined() {
  if [ "$combined" != yes ]; then
    [ -L "$live/combined.pem" ] || return 0
    case $(readlink "$live/combined.pem") in *"archive/$certificate/combined"*) ;; *) return 0 ;; esac
  fi
  kinds="$four combined"
}

need() {
  [ -d "$1" ] && return
  said=$(mkdir "$1" 2>&1) || return 1
  created="$1 $created"
}

refuse_unsafe() {
  if [ -L "$archive" ] || { [ -L "$live" ] && [ "$directory" = no ]; }; then refuse stage linked-directory; fi
  for kind in $kinds; do
    path=$live/$kind.pem
    [ -L "$path" ] || [ ! -d "$path" ] || refuse stage odd-entry "$kind"
    [ -L "$path" ] || [ ! -e "$path" ] || [ -n "$keep" ] || refuse stage real-file "$kind"
  done
  owners=$(stat -c '%u %A %n' . live archive "$live" "$archive" 2>/dev/null)
  while read -r owner mode path; do
    [ "$path" != "$live" ] || [ ! -L "$live" ] || continue
    case $mode in ?????w* | ????????w*) refuse stage writable "$path" ;; esac
    case $owner in '' | 0) ;; *) [ "$owner" = "$(id -u)" ] || refuse stage foreign "$path" ;; esac
  done <<END
$owners
END
}

check_install() {
  differing
  [ -z "$file" ] || refuse stage differs "$file"
}

check_rollback() {
  whole "$number" || refuse rollback incomplete
  paired "$number" || refuse rollback mismatched
}

# A test that fails by the very files we are about to replace is no reason to stop.
baseline() {
  for service in $services; do
    said='' status=''
    running || refuse baseline stopped
    configured test hear && continue
    sound=no
    case $said in *"/live/$certificate/"*) ;; *) refuse baseline broken ;; esac
  done
}

place_files() {
  status=''
  absent "$staging" || refuse stage staging
  staged=yes
  need "$archive" || refuse stage staging
  said=$(stage 2>&1) || refuse stage staging
  [ -z "$keep" ] || keep_former
  say step staged
}

# What an unfinished run left as former stays the way back, unless what is live now proved sound.
place_links() {
  status=''
  if ! need live || { [ ! -L "$live" ] && ! need "$live"; }; then refuse switch staging; fi
  if [ "$resumed" = no ] || { [ "$sound" = yes ] && [ -n "$before" ] && whole "$before"; }; then
    said=$(copy_former 2>&1) || refuse switch staging
  else
    links_of "$former"
    before=$agreed
  fi
  [ -z "$kept" ] || before=$kept
  said=$(build_next 2>&1) || refuse switch staging
  said=$(switch 2>&1) || undo switch
  say step switched
}

# No service is reloaded before all have passed their tests.
try() {
  for service in $services; do configured test hear || undo test; done
  say step tested
  for service in $services; do
    reloaded="$reloaded $service"
    configured reload hear || undo reload
  done
  say step reloaded
}

# Switches back and fails with the words of what failed; what was reloaded is reloaded again. Where a test now fails
# with what it passed before, something else has changed meanwhile.
undo() {
  failed=$1 words=$said code=$status culprit=$service why=failed
  [ -d "$former" ] || [ -L "$former" ] || refuse "$failed" failed
  [ -z "$kept" ] || before=''
  if ! same_links "$live" "$former"; then said=$(switch_back 2>&1) || degrade; fi
  said=$(give_back 2>&1) || degrade
  say step restored
  for service in $services; do configured test hear || [ "$sound" = no ] || why=outside; done
  stuck='' left=''
  for service in $reloaded; do configured reload hear || stuck="$stuck $service" left=$left$said; done
  said=$left
  [ -z "$stuck" ] || degrade
  resumed=no
  discard
  said=$words status=$code service=$culprit
  fail "$failed" restored "$why" "$before"
}

degrade() {
  said="$words
$said" status=$code service=$culprit
  fail "$failed" degraded failed "$before"
}

# Fails with live as it was.
refuse() {
  step=$1
  shift
  discard
  fail "$step" unchanged "$@"
}

# Of the archive goes only what this run made: certbot would move live to a version that is left there. What a
# killed run made stays, live may be on it.
discard() {
  [ "$staged" = no ] || for number in $number $keep; do
    for kind in $kinds; do
      # shellcheck disable=SC3013
      [ ! "$staging/$kind$number.pem" -ef "$archive/$kind$number.pem" ] || rm -f "$archive/$kind$number.pem"
    done
  done
  rm -rf "$staging" "$next" "$next.away"
  [ -z "$tightened" ] || loosen
  [ "$resumed" = yes ] || rm -rf "$former"
  # shellcheck disable=SC2086
  [ -z "$created" ] || rmdir $created 2>/dev/null
  [ "$made_root" = no ] || { cd / && rmdir "$root" 2>/dev/null; }
}

answer() {
  say outcome "$1"
  [ -z "$before" ] || [ "$before" = "$number" ] || ! whole "$before" || say former "$before"
  lineages "$certificate"
  [ "$verb" = install ] || public_keys "$certificate"
}
