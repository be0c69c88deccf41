export const template = `import type { Config } from 'certs'

export default {
  // Issued versions, the account key and the journal. Keep a backup of it.
  state: '/var/lib/certs',
  // The same with private keys sealed by age; make an identity: age-keygen -o identity.txt
  // state: { folder: '/var/lib/certs', encryptTo: ['age1…'], identity: { file: 'identity.txt' } },

  acme: {
    // letsencrypt, letsencrypt-staging, google, zerossl, or an https URL.
    directory: 'letsencrypt-staging',
    contact: ['ops@example.com'],
    // eab: { kid: '…', hmac: { env: 'EAB_HMAC' } },   for CAs that want it
    // caBundle: 'private-ca.pem',                      for a CA of your own
    // The next CA, for when that one is down or refuses; each takes what stands above.
    // fallback: [{ directory: 'zerossl', eab: { kid: '…', hmac: { env: 'ZEROSSL_HMAC' } } }],
  },

  // Who can write TXT records into your zones. A secret is { env }, { file } or { command }.
  dns: {
    cloudflare: { provider: 'cloudflare', apiToken: { env: 'CLOUDFLARE_API_TOKEN' } },
    // home: {
    //   provider: 'rfc2136',
    //   server: '192.0.2.53',
    //   tsig: { name: 'acme', algorithm: 'hmac-sha256', secret: { file: 'tsig.secret' } },
    // },
  },

  // The login on every node; each may have its own user, port, identity, jump or sudo.
  ssh: { user: 'root', identity: '~/.ssh/id_ed25519', knownHosts: '~/.ssh/known_hosts' },

  nodes: {
    'web-1': { address: '192.0.2.11', groups: ['web'] },
    'web-2': { address: '192.0.2.12', groups: ['web'] },
    // 'web-4': { address: '192.0.2.14', services: { nginx: {}, apache: { endpoints: ['192.0.2.14:8443'] } } },
    // 'here': { address: 'local' }, // this machine, without SSH
    // 'web-3': { address: '192.0.2.13', user: 'deploy', sudo: true, endpoints: [{ via: 'ssh' }] },
  },

  certificates: {
    'www.example.com': {
      // names: ['www.example.com', '*.www.example.com'],   default: its own name
      nodes: ['web'],
      // challenge: 'dns-persist-01',   one TXT record that stays (certs check prints it), and no dns is needed
      // Fetched through every node after each change.
      // probes: [{ url: 'https://www.example.com/health.png', status: 200, contentType: 'image/' }],
    },
  },

  // One node first, then half of them, then all; one failed node halts.
  rollout: { canary: 1, waves: ['50%', '100%'], haltAfter: 1 },
} satisfies Config
`
