import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openFiles } from '../../src/state/files.ts'
import { storeContract } from '../contracts/store.ts'
import { makeIdentity, vaultOf } from '../support/age-identity.ts'

storeContract('a folder of files', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'certs-state-'))
  return {
    open: () => openFiles(join(parent, 'state')),
    [Symbol.asyncDispose]: () => rm(parent, { recursive: true }),
  }
})

storeContract('a folder of files with sealed keys', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'certs-state-'))
  const identity = await makeIdentity()
  return {
    open: () => openFiles(join(parent, 'state'), vaultOf([identity], [identity])),
    [Symbol.asyncDispose]: () => rm(parent, { recursive: true }),
  }
})
