import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What acme.sh has at its end, and a few of the functions that dnsapi scripts take from it. */
const acmeSh = `#!/usr/bin/env sh
USER_AGENT="acme.sh/lab"
_err() { echo "$@" >&2; }
_info() { echo "$@"; }
_debug() { [ -z "$DEBUG" ] || echo "$@" >&2; }
_secure_debug() { _debug "$@"; }
_startswith() { case "$1" in "$2"*) return 0 ;; esac; return 1; }
_contains() { case "$1" in *"$2"*) return 0 ;; esac; return 1; }
_base64() { base64 -w 0; }
_saveaccountconf() { echo "$1='$2'" >> "$LE_CONFIG_HOME/account.conf"; echo "$1='$2'" >> "$LAB_SAVED"; }
_saveaccountconf_mutable() { _saveaccountconf "SAVED_$1" "$2"; }
_readaccountconf_mutable() { echo "from account.conf"; }
_savedomainconf() { _saveaccountconf "$@"; }
_inithttp() { HTTP_HEADER=\${HTTP_HEADER:-$(mktemp)}; }
_get() { curl -s -H "$_H1" "$1"; }
_post() { curl -s -H "$_H1" --data "$1" "$2"; }
showhelp() { echo "usage: acme.sh"; }
main() {
  [ -z "$1" ] && showhelp && return
  if _startswith "$1" '-'; then echo "options are not for us"; exit 9; else "$@"; fi
}
main "$@"
`

/** An installation of acme.sh with these scripts in dnsapi/, by name. */
export async function installAcmeSh(home: string, scripts: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(join(home, 'dnsapi'), { recursive: true })
  await writeFile(join(home, 'acme.sh'), acmeSh)
  for (const [name, text] of Object.entries(scripts)) {
    await writeFile(join(home, 'dnsapi', `${name}.sh`), `#!/usr/bin/env sh\n${text}\n`)
  }
}
