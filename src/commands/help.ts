export const help = `certs — certificates for fleets of web servers

Issues by ACME DNS-01, brings key and chain to every node over SSH, switches live,
tests and reloads what reads it, and proves by handshake what each node serves.

Usage: certs COMMAND [options]

See what is
  plan [NAME…]         what would be done, and why; changes nothing
  status [NAME…]       what every node serves and holds
  verify [NAME…]       handshakes and probes only, from outside
  history [NAME…]      what was changed, on which node, from what, to what
  check                configuration, credentials, reachability; changes nothing
  audit                which certificate and key is where, who reads it, what to tidy up

Make it so
  rollout NAME         plan and apply for one certificate, without a question
  apply [NAME…]        show the plan, ask, do it
  renew [NAME…]        what a timer runs: everything due, silent when nothing is
  prune [NAME…]        move what nobody uses any more into a backup on its node
  rollback NAME        go back to the version before, on every node

Keys
  replace NAME…        new versions with new keys, whatever the dates say; --all
  revoke NAME          replace a version, then revoke it; its key is blocked for ever
  export NAME          one version with its key, as a PEM or PKCS#12 file
  account rotate [CA]  give our account at the CA a new key
  state seal           seal every private key in the state folder by age
  state unseal         bring them back into the clear

Set up
  init                 write a commented certs.config.ts
  providers [NAME]     the DNS providers there are, and what each takes
  account create       make our account at the CA, ahead of the first certificate
  nodes trust NODE     show a node's host key and trust it
  nodes setup NODE     a login on a node that can do nothing but what certs needs
  nodes adopt NODE     take over what certbot renews on a node
  completion SHELL     completion for bash, zsh or fish

Examples
  certs rollout media.hachyderm.io              everything needed, everywhere
  certs rollout media.hachyderm.io --node sally only on one node
  certs plan --exit-code                        3 when something would change
  certs plan --out tonight.json                 saved for certs apply --plan tonight.json
  certs status --json

Options for all: --config FILE, --state FOLDER, --json, -h --help, --version.
Exit codes: 0 done or nothing to do, 1 failed, 2 usage or configuration,
3 changes (plan --exit-code), 75 another run holds the lock.
`
