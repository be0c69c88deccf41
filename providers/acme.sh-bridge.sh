#!/bin/bash
# Calls one function of a dnsapi script as acme.sh would: HOME SCRIPT add|rm FULLDOMAIN VALUE.
# Reading acme.sh gives the functions that the scripts compute with. What follows replaces those that keep
# a credential in a file, or show one on the command line of another process. TMPDIR is ours alone.
home=$1 script=$2 verb=$3 name=$4 value=$5

# acme.sh runs its arguments when it is read: a command that does nothing.
# shellcheck disable=SC1091
. "$home/acme.sh" : || exit
# shellcheck disable=SC1090
. "$home/dnsapi/$script.sh" || exit

LE_WORKING_DIR=$home
LE_CONFIG_HOME=$TMPDIR
HTTP_HEADER=$TMPDIR/headers
export LE_WORKING_DIR LE_CONFIG_HOME HTTP_HEADER
: >"$HTTP_HEADER"

for each in account domain ca; do
  for does in save read clear; do
    eval "_${does}${each}conf() { :; }; _${does}${each}conf_mutable() { :; }"
  done
done
_migratedomainconf() { :; }
_migrateaccountconf() { :; }
_log() { :; }
_secure_debug() { :; }
_secure_debug2() { :; }
_secure_debug3() { :; }
_inithttp() { :; }
_resethttp() { :; }

_curl_setting() {
  local text=${2//\\/\\\\}
  text=${text//\"/\\\"}
  text=${text//$'\n'/\\n}
  text=${text//$'\r'/\\r}
  text=${text//$'\t'/\\t}
  printf '%s = "%s"\n' "$1" "$text"
}

# METHOD URL TYPE BODY SECONDS: a header, the URL and the body may hold a credential, so curl reads all of
# them from its standard input.
_curl() {
  local header
  {
    _curl_setting request "$1"
    _curl_setting url "$2"
    [ -z "$3" ] || _curl_setting header "Content-Type: $3"
    for header in "$_H1" "$_H2" "$_H3" "$_H4" "$_H5"; do
      [ -z "$header" ] || _curl_setting header "$header"
    done
    [ -z "$4" ] || _curl_setting data-raw "$4"
    [ "$1" != HEAD ] || echo head
    [ -z "$HTTPS_INSECURE" ] || echo insecure
  } | curl --silent --show-error --globoff --location --dump-header "$HTTP_HEADER" \
    --user-agent "${USER_AGENT:-acme.sh}" --connect-timeout "${5:-15}" --max-time 45 --config -
}

# BODY URL NEEDBASE64 METHOD TYPE
_post() {
  # shellcheck disable=SC2034 # the scripts read it
  response=$(_curl "${4:-POST}" "$2" "$5" "$1")
  local ended=$?
  if [ -n "$3" ]; then printf '%s' "$response" | _base64; else printf '%s' "$response"; fi
  return "$ended"
}

# URL ONLYHEADER SECONDS
_get() {
  if [ -n "$2" ]; then _curl HEAD "$1" '' '' "$3"; else _curl GET "$1" '' '' "$3"; fi
}

"${script}_$verb" "$name" "$value"
