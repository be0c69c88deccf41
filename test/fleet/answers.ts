import { inspect } from '../../deploy/inspect.ts'
import { install, rollback } from '../../deploy/install.ts'
import type { Shell } from '../../deploy/shell.ts'
import type { Version } from '../../src/core/certificate.ts'
import { fakeNode } from '../support/fake-node.ts'
import type { Answers } from './behaviour.ts'

export interface Recorded {
  readonly answers: Answers
  /** The whole standard input of each call: program and order. */
  readonly inputs: { readonly inspect: string; readonly install: string }
}

/** Lets the real program bring the new version to a node and take it back, and notes what is sent and said. */
export async function recordCalls(old: Version, version: Version): Promise<Recorded> {
  using fake = fakeNode()
  fake.lay(old)
  const { certificate } = old
  let [sent, heard] = ['', '']
  const shell: Shell = {
    ...fake.shell(),
    async run(input, options) {
      sent = input
      const said = await fake.shell().run(input, options)
      const token = /\ntoken (\S+)\n/.exec(input)?.[1] ?? ''
      heard = said.stdout.replaceAll(token, 'TOKEN')
      return said
    },
  }
  const look = async () => {
    await inspect(shell, fake.node, [certificate])
    return heard
  }
  const [before, inspecting] = [await look(), sent]
  await install(shell, fake.node, { certificate, version, forceReload: false, onStep: () => undefined })
  const [installed, installing] = [heard, sent]
  const after = await look()
  await rollback(shell, fake.node, { certificate, number: old.number, forceReload: true })
  return {
    answers: { before, install: installed, after, rollback: heard, back: await look() },
    inputs: { inspect: inspecting, install: installing },
  }
}
