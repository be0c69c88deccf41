import type { AcmeSettings } from '../core/acme.ts'
import type { Certificate, Version } from '../core/certificate.ts'
import { AcmeError } from '../core/errors.ts'
import { type Issued, RefusedCertificate } from '../core/issued.ts'
import { Secret } from '../core/secret.ts'
import { openAccount } from './account.ts'
import { explainInvalid, proveControl } from './challenges.ts'
import { download, finalize } from './delivery.ts'
import { sayError, type IssueDeps, journaled } from './issuance.ts'
import { recordIssuer } from './issuers.ts'
import { generateKey } from './key.ts'
import { createOrder, currentOrder, settle } from './order.ts'
import { isStored, markUnderWay, openOrderFile } from './order-record.ts'
import type { OrderFile, OrderRecord } from './order-record.ts'
import { defaultPace, type Pace } from './pace.ts'
import { keepLeftovers } from './sweep.ts'
import { removeTxt } from './txt.ts'
import type { Order } from './wire.ts'
import { DeadOrder, openKey, recordOf, retire, sameNames, type Work } from './work.ts'

export interface IssueRequest {
  readonly certificate: Certificate
  /** The number of the version to come. */
  readonly number: number
  readonly acme: AcmeSettings
  /** There is another CA to go to when this one fails. */
  readonly impatient?: boolean
}

/** Where there is another CA, one that fails is not tried for longer, unless a certificate may be there already. */
const impatientMs = 15_000

/**
 * Orders a certificate, proves control of its names by its method and stores it as a version. Each step is durable before the next one reaches
 * outside, so a run that was killed anywhere is taken up by the next call: same key, same order. TXT records are
 * removed however this ends, with a deadline of their own. Throws AcmeError, ProviderError or StateError.
 */
export async function issue(request: IssueRequest, deps: IssueDeps): Promise<Version> {
  const { certificate, number, acme: settings } = request
  const { store } = deps
  using _ = markUnderWay(store, certificate.name)
  const file = await openOrderFile(store, certificate.name)
  const pace = paceOf({ ...defaultPace, ...deps.pace }, file, request)
  const names = certificate.names.toSorted()
  const { challenge: method } = certificate
  const base = { certificate: certificate.name, names, method, settings, deps, pace, file }

  const record = file.value
  if (record !== undefined && (await isStored(store, record))) {
    await finish(base)
    const finished = number <= record.number && (await store.getVersion(certificate.name, record.number))
    if (finished) return finished
  }
  using ca = await openAccount(deps, { settings, certificate: certificate.name, pace })
  const work: Work = { ...base, ca }
  try {
    // A CA that is gone is found out in seconds, before anything is made for it or repeated for a minute.
    await ca.directory()
    const tookUp = await openRecord(work, request)
    const { leaf, chain, facts } = await obtain(work, tookUp)
    const key = new Secret(await openKey(work))
    const version = { certificate: certificate.name, number: recordOf(work).number, key, leaf, chain }
    await noteIssuer(work, version)
    const act = { certificate: certificate.name, action: 'version-store', facts: { number } }
    await journaled(deps, act, () => store.addVersion(version))
    deps.emit({ kind: 'version-stored', certificate: certificate.name, number, notAfter: facts.notAfter })
    await finish(work)
    return version
  } catch (error) {
    await withdraw(work)
    throw error
  }
}

function paceOf(pace: Pace, file: OrderFile, { impatient = false }: IssueRequest): Pace {
  if (!impatient) return pace
  return {
    ...pace,
    get retryMs() {
      return file.value?.finalizing ? pace.retryMs : Math.min(pace.retryMs, impatientMs)
    },
  }
}

/** A version counts more than what is known of it. */
async function noteIssuer(work: Work, version: Version): Promise<void> {
  try {
    await recordIssuer(work.deps.store, version, work.settings.directory)
  } catch (error) {
    const message = `which CA issued version ${version.number} could not be written down: ${sayError(error)}`
    work.deps.emit({ kind: 'warning', certificate: work.certificate, message })
  }
}

/** Whether an earlier run's order is taken up; else there is a new record with a new key. */
async function openRecord(work: Work, { certificate, number }: IssueRequest): Promise<boolean> {
  const { file, names, settings } = work
  const { directory, profile } = settings
  const keyType = certificate.key
  const before = file.value
  if (before !== undefined && isFor(before, { directory, profile, keyType, names })) {
    await file.update({ number })
    return true
  }
  if (before !== undefined) await abandon(work, before)
  const key = await work.deps.store.keys.keep(await generateKey(keyType))
  await file.save({
    certificate: certificate.name,
    directory,
    profile,
    names,
    keyType,
    key,
    number,
    records: [],
  })
  work.deps.emit({ kind: 'key-stored', certificate: certificate.name })
  return false
}

type Wish = Pick<OrderRecord, 'directory' | 'profile' | 'keyType' | 'names'>

function isFor(record: OrderRecord, wish: Wish): boolean {
  const { directory, profile, keyType, names } = wish
  const alike = record.directory === directory && record.profile === profile && record.keyType === keyType
  return alike && sameNames(record.names, names)
}

/** An order for what the configuration wanted before. Once finalize was sent, its end is waited for. */
async function abandon(work: Work, record: OrderRecord): Promise<void> {
  const { settings, deps, certificate, file } = work
  if (record.finalizing && record.orderUrl !== undefined && record.directory === settings.directory) {
    const order = await settle(work, record.orderUrl, 'processing').catch((error: unknown) => {
      if (error instanceof AcmeError && error.status === 404) return undefined
      throw error
    })
    if (order?.status === 'valid') {
      const message = `the certificate of ${order.url}, ordered for ${record.names.join(', ')}, is not used`
      deps.emit({ kind: 'warning', certificate, message })
    }
  }
  await clearTxt(work)
  await file.remove()
}

/** When the order that was taken up proves useless, one new order is made instead; never a second new one. */
async function obtain(work: Work, tookUp: boolean): Promise<Issued> {
  const { order, resumed } = await currentOrder(work, { tookUp })
  try {
    return await download(work, await drive(work, order, resumed))
  } catch (error) {
    const useless = error instanceof DeadOrder || (error instanceof RefusedCertificate && !error.curable)
    if (useless) await retire(work)
    if (!useless || !resumed) throw error
    return download(work, await drive(work, await createOrder(work), false))
  }
}

/** From whatever state the order is in to its certificate's URL (RFC 8555 section 7.1.6). */
async function drive(work: Work, first: Order, resumed: boolean): Promise<string> {
  let order = first
  let answered = 0
  let finalized = 0
  for (let round = 1; round <= 20; round++) {
    switch (order.status) {
      case 'pending':
        answered += await proveControl(work, order).catch((error: unknown) => {
          if (!(error instanceof DeadOrder) || (resumed && answered === 0)) throw error
          return fail(work, order)
        })
        order = await settle(work, order.url, 'pending')
        break
      case 'ready':
        order = await finalize(work, order, ++finalized)
        break
      case 'processing':
        order = await settle(work, order.url, 'processing')
        break
      case 'valid':
        if (order.certificate !== undefined) return order.certificate
        throw new AcmeError(
          `the order of ${work.certificate} is valid, and the CA names no certificate: ${order.url}`,
        )
      case 'invalid': {
        if (!resumed || answered > 0) return fail(work, order)
        const error = await explainInvalid(work, order)
        await retire(work)
        throw new DeadOrder(error.message, { cause: error })
      }
    }
  }
  throw new AcmeError(
    `the order of ${work.certificate} goes in circles: it is ${order.status} again, ${order.url}`,
  )
}

/** Ends the order with what the CA says of it. */
async function fail(work: Work, order: Order): Promise<never> {
  const error = await explainInvalid(work, order)
  await retire(work)
  throw error
}

type Tidy = Pick<Work, 'certificate' | 'deps' | 'pace' | 'file'>

/** The version is stored: nothing that fails from here on may hide that. */
async function finish(work: Tidy): Promise<void> {
  try {
    await clearTxt(work)
    await work.file.remove()
  } catch (error) {
    warn(work, error)
  }
}

/** The order stays, its TXT records do not; the first error is the one that is told. */
async function withdraw(work: Tidy): Promise<void> {
  if (work.file.value === undefined || work.file.value.records.length === 0) return
  try {
    await clearTxt(work)
    await work.file.update({ records: [] })
  } catch (error) {
    warn(work, error)
  }
}

/** Also after an abort, hence with a deadline of its own. What can't be removed now is kept for the next sweep. */
async function clearTxt({ certificate, deps, pace, file }: Tidy): Promise<void> {
  const signal = AbortSignal.timeout(pace.cleanupMs)
  const left = await removeTxt(deps, file.value?.records ?? [], { certificate, signal })
  await keepLeftovers(deps.store, certificate, left)
}

function warn({ deps, certificate }: Tidy, error: unknown): void {
  deps.emit({
    kind: 'warning',
    certificate,
    message: `tidying up after the order failed: ${sayError(error)}`,
  })
}
