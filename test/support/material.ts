import type { Material, MaterialFile } from '../../src/core/material.ts'
import type { Directive } from '../../src/core/nginx-configuration.ts'
import { leafOf } from './observed.ts'

export const root = '/etc/letsencrypt'

/** What a node shows whose nginx has these servers, one text of directives each, in one file a line. */
export function materialOf(
  node: string,
  {
    servers = [],
    files = [],
    ...change
  }: Partial<Material> & { readonly servers?: readonly string[]; readonly files?: readonly MaterialFile[] },
): Material {
  const directives = servers.flatMap((text, index): Directive[] => [
    { kind: 'open', line: index + 1, name: 'server' },
    ...text
      .split(';')
      .map((words): Directive => ({ kind: 'set', line: index + 1, words: words.trim().split(/ +/) })),
    { kind: 'shut' },
  ])
  const configuration = [
    {
      path: '/etc/nginx/nginx.conf',
      directives: [{ kind: 'open', line: 1, name: 'http' } as const, ...directives],
    },
  ]
  return {
    node,
    clock: '2026-11-23T12:00:00Z',
    system: 'Debian',
    named: [],
    nginx: {
      configured: true,
      installed: true,
      running: true,
      test: { ok: true, output: '' },
      configuration,
    },
    files,
    folders: {},
    root,
    renewers: { timers: [], cron: [], lineages: [] },
    ...change,
  }
}

/** `listen 443 ssl; …` for these names, with certificate and key in a folder of live or as named. */
export function serverOf(names: string, certificate: string, keyFile = certificate): string {
  const [fullchain, privkey] = certificate.startsWith('/')
    ? [certificate, keyFile]
    : [`${root}/live/${certificate}/fullchain.pem`, `${root}/live/${certificate}/privkey.pem`]
  return `listen 443 ssl; server_name ${names}; ssl_certificate ${fullchain}; ssl_certificate_key ${privkey}`
}

type Change = Parameters<typeof leafOf>[1] & { readonly selfSigned?: boolean }

function found(number: number, { selfSigned = false, ...change }: Change = {}) {
  return { certificate: { ...leafOf(number, change), selfSigned, authority: false } }
}

/** A certificate file by itself. */
export function pem(path: string, number: number, change: Change = {}): MaterialFile {
  return { path, id: path, mode: '644', owner: 'root:root', ...found(number, change) }
}

/** A key that belongs to that certificate. */
export function key(path: string, number: number, mode = '600'): MaterialFile {
  return { path, id: path, mode, owner: 'root:root', key: { spki: `spki-${number}` } }
}

/** A lineage as certbot leaves it: these versions, live on the last. Versions of the incident: 2 is expired. */
export function lineage(name: string, numbers: readonly number[], change: Change = {}): MaterialFile[] {
  const live = numbers.at(-1)
  return numbers.flatMap((number): MaterialFile[] => {
    const archive = (kind: string) => `${root}/archive/${name}/${kind}${number}.pem`
    const files = [
      pem(archive('fullchain'), number, { names: [name], ...change }),
      key(archive('privkey'), number),
    ]
    if (number !== live) return files
    const links = files.map((file): MaterialFile => {
      const kind = file.key ? 'privkey' : 'fullchain'
      return {
        ...file,
        path: `${root}/live/${name}/${kind}.pem`,
        target: `../../archive/${name}/${kind}${number}.pem`,
      }
    })
    return [...files, ...links]
  })
}
