import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sealedProgram } from '../../deploy/node/program.ts'
import type { Shell } from '../../deploy/shell.ts'
import type { Node } from '../../src/core/node.ts'
import type { FakeNode, FakeNodeOptions } from './fake-node.ts'

export const marker = 'c0ffee'.repeat(6).slice(0, 32)

export interface SealedOptions extends FakeNodeOptions {
  /** What root wrote down; the settings of the node itself unless told. */
  readonly pinned?: string | undefined
  /** Changes the program's text before it is installed. */
  readonly edit?: (text: string) => string
}

export function pinnedLines({ root, services }: Pick<Node, 'root' | 'services'>): string {
  const lines = [`root ${root}`]
  for (const [service, { test, reload }] of Object.entries(services)) {
    lines.push(`service ${service}`, ...test.map((word) => `test ${service} ${word}`))
    lines.push(...reload.map((word) => `reload ${service} ${word}`))
  }
  return `${lines.join('\n')}\n`
}

/** A node that lets nobody run anything but the installed program, which is sent what a shell is sent elsewhere. */
export function sealedShell(fake: FakeNode, options: SealedOptions = {}): Shell {
  const { pinned = pinnedLines(fake.node), edit = (text) => text, sh = ['dash'], ...more } = options
  const [program, file] = [join(fake.folder, 'sealed'), join(fake.folder, 'pinned')]
  writeFileSync(program, edit(sealedProgram(file)), { mode: 0o755 })
  writeFileSync(file, pinned)
  const shell = fake.shell({ ...more, sh: [...sh, program] })
  return { ...shell, run: (input, run) => shell.run(`printf '\\n%s\\n' ${marker}\n${input}`, run) }
}
