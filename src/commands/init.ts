import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { ConfigError } from '../core/errors.ts'
import { exitCode } from './command.ts'
import type { Command } from './command.ts'
import { template } from './init-template.ts'

export const command: Command = {
  help: `certs init — write a commented certs.config.ts

Writes an example that loads as it is, for you to edit. An existing file is never
overwritten.

Options
  --config FILE      where to write it (default ./certs.config.ts)
  -h, --help         this text
`,
  options: {},
  operands: [],
  async run(invocation, io) {
    const file = path.resolve(io.cwd, invocation.value('config') ?? 'certs.config.ts')
    try {
      await writeFile(file, template, { flag: 'wx', mode: 0o644 })
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      const hint = code === 'EEXIST' ? `edit ${file}, or name another file with --config` : undefined
      throw new ConfigError(`writing ${file} failed: ${code === 'EEXIST' ? 'it exists already' : code}`, {
        hint,
        cause: error,
      })
    }
    io.stdout.write(`Wrote ${file}.\nNext: edit it, then certs check, then certs plan.\n`)
    return exitCode.done
  },
}
