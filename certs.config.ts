import type { Config } from 'certs'

// The fleet of media.hachyderm.io: four CDN nodes in front of one core web server.
export default {
  state: '/var/lib/certs',
  acme: {
    directory: 'letsencrypt',
    contact: ['ops@hachyderm.io'],
  },
  dns: {
    cloudflare: { provider: 'cloudflare', apiToken: { env: 'CLOUDFLARE_API_TOKEN' } },
  },
  ssh: { user: 'root', identity: '~/.ssh/id_ed25519', knownHosts: '~/.ssh/known_hosts' },
  nodes: {
    'cdn-frankfurt-1': { address: '203.0.113.11', groups: ['cdn'] },
    'cdn-fremont-1': { address: '203.0.113.12', groups: ['cdn'] },
    sally: { address: '203.0.113.13', groups: ['cdn'] },
    esme: { address: '203.0.113.14', groups: ['cdn'] },
    fritz: { address: '203.0.113.10', groups: ['core'] },
  },
  certificates: {
    'media.hachyderm.io': {
      nodes: ['cdn'],
      key: 'ecdsa-p256',
      probes: [{ url: 'https://media.hachyderm.io/health.png', status: 200, contentType: 'image/' }],
    },
  },
  rollout: { canary: 1, waves: ['50%', '100%'], haltAfter: 1, concurrency: 8, settle: '0s' },
} satisfies Config
