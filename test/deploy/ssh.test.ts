import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createConnect } from '../../deploy/ssh.ts'
import { noSshd, type Sshd, startSshd } from '../support/sshd.ts'

const signal = new AbortController().signal

describe.skipIf(noSshd)('a shell over ssh', () => {
  let sshd: Sshd
  beforeAll(async () => {
    sshd = await startSshd()
  })
  afterAll(() => sshd[Symbol.asyncDispose]())

  test('runs what it is given as input of /bin/sh and says what that said', async () => {
    await using shell = await createConnect()(sshd.node(), signal)
    const said = await shell.run('cat <<END\nhello\nEND\necho oops >&2\nexit 3\n')
    expect(said).toEqual({ stdout: 'hello\n', stderr: 'oops\n', exitCode: 3 })
  })

  test('sends the beginning ahead, and the rest when it is wanted', async () => {
    await using shell = await createConnect()(sshd.node(), signal)
    const prefix = 'echo began\nf() { echo "f $1"; }\n'
    shell.prepare(prefix)
    const lines: string[] = []
    const said = await shell.run(`${prefix}f 1\nf 2\n`, { onLine: (line) => lines.push(line) })
    expect(said).toEqual({ stdout: 'began\nf 1\nf 2\n', stderr: '', exitCode: 0 })
    expect(lines).toEqual(['began', 'f 1', 'f 2'])
  })
})
