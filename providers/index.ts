import { describe } from './describe.ts'
import type { ProviderDescription } from './provider.ts'

/** Every DNS provider, by the name that stands in `dns: { …: { provider: NAME } }`. The one list. */
export const providers: Readonly<Record<string, ProviderDescription>> = {
  cloudflare: describe({
    about: 'Cloudflare, through its API',
    settings: {
      apiToken: { type: 'secret', about: 'API token with Zone / Zone / Read and Zone / DNS / Edit' },
      apiUrl: { type: 'string', optional: true, about: 'another address of the API, as a proxy has' },
    },
    load: async () => (await import('./cloudflare.ts')).cloudflare,
  }),
  rfc2136: describe({
    about: 'A name server that takes dynamic updates: BIND, Knot, PowerDNS, …',
    settings: {
      server: { type: 'string', about: "the zone's primary, as 192.0.2.53 or ns1.example.com:53" },
      tsig: {
        type: 'group',
        about: 'the key that signs updates',
        settings: {
          name: { type: 'string', about: 'its name, as in the key statement of named.conf' },
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
  exec: describe({
    about: "A command of yours, called as lego's exec provider does: COMMAND present|cleanup NAME. VALUE",
    settings: {
      command: { type: 'strings', about: 'the program and the arguments that come first' },
      zones: { type: 'strings', optional: true, about: 'the zones that it can write; any when left out' },
      timeoutSeconds: { type: 'number', optional: true, about: 'for one call; 60 when left out' },
      env: { type: 'strings', optional: true, about: 'names of environment variables that it may see' },
    },
    load: async () => (await import('./exec.ts')).exec,
  }),
}
