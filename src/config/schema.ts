import * as z from 'zod'
import type { ProviderDescription, Setting } from '../../providers/provider.ts'
import { judgeRecipient } from '../core/age-recipient.ts'
import { challengeMethods, keyTypes } from '../core/certificate.ts'
import { parseDuration } from '../core/duration.ts'
import { starttlsProtocols } from '../core/node.ts'
import { nearest } from '../core/nearest.ts'

export type Descriptions = Readonly<Record<string, ProviderDescription>>

/** An object that takes no unknown key, and names the nearest known one. */
function strict<Shape extends z.ZodRawShape>(shape: Shape) {
  const known = Object.keys(shape)
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? sayUnknown(issue.keys, known) : undefined),
  })
}

function sayUnknown(keys: readonly string[], known: readonly string[]): string {
  return keys.map((key) => `unknown key "${key}", ${sayNearest(key, known)}`).join('; ')
}

function sayNearest(key: string, known: readonly string[]): string {
  const close = nearest(key, known)
  return close ? `did you mean "${close}"?` : `known are ${known.join(', ')}`
}

const text = z.string().min(1)
const secret = z.union([
  text,
  strict({ env: text }),
  strict({ file: text }),
  strict({ command: z.array(text).min(1) }),
])
const argv = z.array(text).min(1)
const port = z.int().min(1).max(65_535)
const duration = z
  .string()
  .refine((value) => parseDuration(value) !== undefined, 'write a length of time as 30s, 5m or 2h')
const share = z.string().regex(/^(100|[1-9]\d?)%$/, 'write a share as 50%')

const login = { address: text, port: port.optional(), user: text.optional(), identity: text.optional() }
const hop = z.union([text, strict({ ...login, knownHosts: text.optional() })])

const endpoint = z.union([
  text,
  strict({
    address: text.optional(),
    port: port.optional(),
    via: z.enum(['direct', 'ssh']).optional(),
    starttls: z.union([z.enum(starttlsProtocols), z.literal(false)]).optional(),
  }),
])

const service = strict({
  test: argv.optional(),
  reload: argv.optional(),
  endpoints: z.array(endpoint).optional(),
  combined: z.boolean().optional(),
})

const node = strict({
  ...login,
  groups: z.array(text).optional(),
  knownHosts: text.optional(),
  sudo: z.boolean().optional(),
  jump: z.union([hop, z.array(hop)]).optional(),
  paths: strict({ root: text.optional() }).optional(),
  nginx: strict({ test: argv.optional(), reload: argv.optional() }).optional(),
  services: z.record(text, service).optional(),
  endpoints: z.array(endpoint).optional(),
})

const probe = strict({
  url: z.url({ protocol: /^https$/ }),
  status: z.int().min(100).max(599).optional(),
  contentType: text.optional(),
})

const certificate = strict({
  names: z.array(text).min(1).optional(),
  challenge: z.enum(challengeMethods).optional(),
  dns: text.optional(),
  nodes: z.array(text).optional(),
  services: z.array(text).min(1).optional(),
  key: z.enum(keyTypes).optional(),
  verifyNames: z.array(text).min(1).optional(),
  probes: z.array(probe).optional(),
})

const acme = {
  directory: text.optional(),
  contact: z.array(z.email()).optional(),
  eab: strict({ kid: text, hmac: secret }).optional(),
  caBundle: text.optional(),
  profile: text.optional(),
  preferredChain: text.optional(),
}

const recipient = z.string().superRefine((value, context) => {
  const wrong = judgeRecipient(value)
  if (wrong !== undefined) context.addIssue({ code: 'custom', message: wrong })
})

/** A path by itself is the folder's. */
const state = z.preprocess(
  (given) => (typeof given === 'string' ? { folder: given } : given),
  strict({
    folder: text.optional(),
    encryptTo: z.array(recipient).min(1, 'name a recipient, or leave encryptTo out').optional(),
    identity: secret.optional(),
  }),
)

/** The whole configuration; which DNS settings are known depends on the providers there are. */
export function configSchema(descriptions: Descriptions) {
  return strict({
    state: state.optional(),
    acme: strict({ ...acme, fallback: z.array(strict({ ...acme, directory: text })).optional() }).optional(),
    dns: z.record(text, providerSchema(descriptions)).optional(),
    resolvers: z.array(text).optional(),
    ssh: strict({
      user: text.optional(),
      port: port.optional(),
      identity: text.optional(),
      knownHosts: text.optional(),
      sudo: z.boolean().optional(),
    }).optional(),
    nodes: z.record(text, node).optional(),
    certificates: z.record(text, certificate),
    prune: strict({ keep: z.int().min(1).max(1000).optional() }).optional(),
    rollout: strict({
      canary: z.int().min(0).optional(),
      waves: z.array(share).min(1).optional(),
      haltAfter: z.int().min(1).optional(),
      onHalt: z.enum(['stay', 'rollback']).optional(),
      maxNodes: z.int().min(1).optional(),
      concurrency: z.int().min(1).max(1000).optional(),
      settle: duration.optional(),
      deadline: duration.optional(),
    }).optional(),
  })
}

function providerSchema(descriptions: Descriptions) {
  const kinds = Object.keys(descriptions)
  const options = Object.entries(descriptions).map(([kind, { settings }]) =>
    strict({ provider: z.literal(kind), ...settingShapes(settings) }),
  )
  return z.discriminatedUnion('provider', options as unknown as [(typeof options)[number]], {
    error: (issue) => {
      const given = (issue.input as { provider?: unknown } | undefined)?.provider
      if (issue.code !== 'invalid_union') return undefined
      return typeof given === 'string'
        ? `unknown provider "${given}", ${sayNearest(given, kinds)}`
        : `name a provider: one of ${kinds.join(', ')}`
    },
  })
}

function settingShapes(settings: Readonly<Record<string, Setting>>): Record<string, z.ZodType> {
  return Object.fromEntries(Object.entries(settings).map(([name, setting]) => [name, settingSchema(setting)]))
}

function settingSchema(setting: Setting): z.ZodType {
  const schema = bareSchema(setting)
  return setting.optional ? schema.optional() : schema
}

function bareSchema(setting: Setting): z.ZodType {
  switch (setting.type) {
    case 'string':
      return setting.choices ? z.enum(setting.choices as [string]) : text
    case 'secret':
      return secret
    case 'number':
      return z.number()
    case 'strings':
      return z.array(text)
    case 'group':
      return strict(settingShapes(setting.settings))
  }
}

export type RawConfig = z.infer<ReturnType<typeof configSchema>>
export type RawState = z.infer<typeof state>
export type RawNode = z.infer<typeof node>
export type RawService = z.infer<typeof service>
export type RawHop = z.infer<typeof hop>
export type RawCertificate = z.infer<typeof certificate>
