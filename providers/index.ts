import { describe } from './describe.ts'
import type { ProviderDescription, Setting } from './provider.ts'

const hookSettings = {
  zones: {
    type: 'strings',
    optional: true,
    about: 'the zones that it can write; any when left out',
    example: ['example.com'],
  },
  timeoutSeconds: { type: 'number', optional: true, about: 'for one call; 60 when left out', example: 120 },
  env: {
    type: 'strings',
    optional: true,
    about: 'names of environment variables that it may see',
    example: ['DNS_TOKEN'],
  },
} as const satisfies Readonly<Record<string, Setting>>

const { zones } = hookSettings

function otherUrl(example: string) {
  const about = 'another address of the API, as a proxy has'
  return { type: 'string', optional: true, about, example } as const
}

/** Every DNS provider, by the name that stands in `dns: { …: { provider: NAME } }`. The one list. */
export const providers: Readonly<Record<string, ProviderDescription>> = {
  cloudflare: describe({
    about: 'Cloudflare, through its API',
    settings: {
      apiToken: { type: 'secret', about: 'API token with Zone / Zone / Read and Zone / DNS / Edit' },
      apiUrl: otherUrl('https://api.cloudflare.com/client/v4'),
    },
    load: async () => (await import('./cloudflare.ts')).cloudflare,
  }),
  desec: describe({
    about: 'deSEC, through its API',
    settings: {
      apiToken: { type: 'secret', about: 'token that may write TXT record sets' },
      apiUrl: otherUrl('https://desec.io/api/v1'),
    },
    load: async () => (await import('./desec.ts')).desec,
  }),
  digitalocean: describe({
    about: 'DigitalOcean, through its API',
    settings: {
      apiToken: {
        type: 'secret',
        about: 'API token with the scopes of domain: create, read, update, delete',
      },
      apiUrl: otherUrl('https://api.digitalocean.com'),
    },
    load: async () => (await import('./digitalocean.ts')).digitalocean,
  }),
  gandi: describe({
    about: 'Gandi LiveDNS, through its API',
    settings: {
      accessToken: {
        type: 'secret',
        about: "personal access token that manages the domains' technical configurations",
      },
      apiUrl: otherUrl('https://api.gandi.net/v5/livedns'),
    },
    load: async () => (await import('./gandi.ts')).gandi,
  }),
  hetzner: describe({
    about: 'Hetzner DNS, through the Cloud API',
    settings: {
      apiToken: { type: 'secret', about: "Read & Write token of the zone's project" },
      apiUrl: otherUrl('https://api.hetzner.cloud/v1'),
    },
    load: async () => (await import('./hetzner.ts')).hetzner,
  }),
  route53: describe({
    about: 'Amazon Route 53',
    settings: {
      credentials: {
        type: 'string',
        choices: ['aws', 'key'],
        about: "aws: found as AWS's own tools do (AWS_* variables, ~/.aws, roles); key: the settings below",
      },
      accessKeyId: { type: 'string', optional: true, about: 'with key', example: 'AKIAIOSFODNN7EXAMPLE' },
      secretAccessKey: { type: 'secret', optional: true, about: 'with key' },
      sessionToken: { type: 'secret', optional: true, about: 'with a temporary key' },
      apiUrl: otherUrl('https://route53.amazonaws.com'),
    },
    load: async () => (await import('./route53.ts')).route53,
  }),
  powerdns: describe({
    about: 'PowerDNS Authoritative Server, through its HTTP API',
    settings: {
      apiUrl: { type: 'string', about: 'its webserver', example: 'http://127.0.0.1:8081' },
      apiKey: { type: 'secret', about: 'api-key of pdns.conf' },
      server: {
        type: 'string',
        optional: true,
        about: 'id of the server in its own API; localhost when left out',
        example: 'localhost',
      },
    },
    load: async () => (await import('./powerdns.ts')).powerdns,
  }),
  rfc2136: describe({
    about: 'A name server that takes dynamic updates: BIND, Knot, PowerDNS, …',
    settings: {
      server: {
        type: 'string',
        about: "the zone's primary, as 192.0.2.53 or ns1.example.com:53",
        example: '192.0.2.53',
      },
      tsig: {
        type: 'group',
        about: 'the key that signs updates',
        settings: {
          name: { type: 'string', about: 'its name, as in the key statement of named.conf', example: 'acme' },
          algorithm: {
            type: 'string',
            about: 'its algorithm',
            choices: ['hmac-sha256', 'hmac-sha384', 'hmac-sha512'],
          },
          secret: { type: 'secret', about: 'its secret, base64' },
        },
      },
    },
    load: async () => (await import('./rfc2136.ts')).rfc2136,
  }),
  'acme-dns': describe({
    about: 'An acme-dns server, to which _acme-challenge is delegated by CNAME',
    settings: {
      url: { type: 'string', about: 'its API', example: 'https://auth.acme-dns.io' },
      accounts: {
        type: 'secret',
        about: 'JSON as acme-dns clients keep it: by domain, what /register answered',
      },
    },
    load: async () => (await import('./acme-dns.ts')).acmeDns,
  }),
  webhook: describe({
    about: "An HTTP server of yours, asked as lego's httpreq does: POST URL/present, URL/cleanup",
    settings: {
      url: { type: 'string', about: 'what comes before /present', example: 'https://dns.example.com/hook' },
      username: { type: 'string', optional: true, about: 'for basic authentication', example: 'certs' },
      password: { type: 'secret', optional: true, about: 'for basic authentication' },
      zones,
    },
    load: async () => (await import('./webhook.ts')).webhook,
  }),
  exec: describe({
    about: "A command of yours, called as lego's exec provider does: COMMAND present|cleanup NAME. VALUE",
    settings: {
      command: {
        type: 'strings',
        about: 'the program and the arguments that come first',
        example: ['/usr/local/lib/dns-hook'],
      },
      ...hookSettings,
    },
    load: async () => (await import('./exec.ts')).exec,
  }),
  'certbot-hook': describe({
    about: "Hooks written for certbot's --manual-auth-hook and --manual-cleanup-hook",
    settings: {
      authHook: {
        type: 'strings',
        about: 'sets the record; the program and its arguments',
        example: ['/etc/letsencrypt/auth-hook.sh'],
      },
      cleanupHook: {
        type: 'strings',
        about: 'removes it',
        example: ['/etc/letsencrypt/cleanup-hook.sh'],
      },
      ...hookSettings,
    },
    load: async () => (await import('./certbot-hook.ts')).certbotHook,
  }),
  'dehydrated-hook': describe({
    about: 'A hook written for dehydrated: HOOK deploy_challenge|clean_challenge DOMAIN TOKEN VALUE',
    settings: {
      hook: {
        type: 'strings',
        about: 'the program and the arguments that come first',
        example: ['/etc/dehydrated/hook.sh'],
      },
      ...hookSettings,
    },
    load: async () => (await import('./dehydrated-hook.ts')).dehydratedHook,
  }),
  'acme.sh': describe({
    about: 'One of the 170 dnsapi scripts of an acme.sh that is installed here',
    settings: {
      home: { type: 'string', about: 'the folder with acme.sh and dnsapi/ in it', example: '/root/.acme.sh' },
      script: { type: 'string', about: 'a script of dnsapi/, without its ending', example: 'dns_inwx' },
      ...hookSettings,
      env: {
        type: 'strings',
        optional: true,
        about: 'names of the environment variables with its credentials',
        example: ['INWX_User', 'INWX_Password'],
      },
    },
    load: async () => (await import('./acme.sh.ts')).acmeSh,
  }),
}
