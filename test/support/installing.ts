import { readlinkSync } from 'node:fs'
import { install, type InstallOrder } from '../../deploy/install.ts'
import { fileKinds } from '../../src/core/certificate.ts'
import type { FakeNode, FakeNodeOptions } from './fake-node.ts'
import { issueVersion } from './issue-version.ts'

export const certificate = 'media.hachyderm.io'

const numbered = (number: number) => issueVersion(certificate, number)
/** Version 1 is what a node has, version 2 what is brought, version 3 has another key. */
export const [one, two, three] = await Promise.all([numbered(1), numbered(2), numbered(3)])

export const order: InstallOrder = { certificate, version: two, forceReload: false, onStep: () => {} }

/** No interpreter for the directory exchange: links are switched one after the other. */
export const linksOnly = { without: ['/usr/bin/perl', '/usr/bin/python3'] }

/** Installs version 2. */
export const bring = (fake: FakeNode, changes: Partial<InstallOrder> = {}, options: FakeNodeOptions = {}) =>
  install(fake.shell(options), fake.node, { ...order, ...changes })

export const livePath = (fake: FakeNode, kind: string) => fake.path('live', certificate, `${kind}.pem`)

/** Where live's links point. */
export const linksIn = (fake: FakeNode) => fileKinds.map((kind) => readlinkSync(livePath(fake, kind)))

/** The links of a version as certbot makes them. */
export const linksTo = (number: number) =>
  fileKinds.map((kind) => `../../archive/${certificate}/${kind}${number}.pem`)

/** Shell text that is true while live is on version 1. */
export const isFormer = (fake: FakeNode) => `readlink ${livePath(fake, 'privkey')} | grep -q 1.pem`
