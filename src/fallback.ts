import type { App } from './app.ts'
import type { Certificate, Version } from './core/certificate.ts'
import { AcmeError, CertsError } from './core/errors.ts'
import { judgeFailure } from './core/failure.ts'
import { minuteMs } from './core/duration.ts'
import type { CaName, Issuing, PassedOver } from './core/plan.ts'
import { sayPassedOver } from './core/say-passed-over.ts'
import { lookAtCa } from './look-ahead.ts'
import type { Tries } from './memory.ts'
import type { PreflightLooks } from './preflight.ts'
import { recordIssuance } from './record.ts'

export interface IssuedBy {
  readonly version: Version
  readonly ca: CaName
  /** By the plan, and since. */
  readonly passedOver: readonly PassedOver[]
}

/** Issues by the CA that the plan has chosen, and where that one fails as another need not, by the next. */
export interface Fallback {
  /** Throws what went wrong where there is no other CA, or it would fail, too. */
  issue(certificate: Certificate, issuance: Issuing, tries: Tries): Promise<IssuedBy>
}

/** One that did not answer is left alone for so long, when there is another. */
const downMs = 10 * minuteMs

interface Failed {
  readonly ca: CaName
  readonly error: CertsError
}

export function openFallback(app: App): Fallback {
  const { store, io, cas } = app
  const downSince = new Map<string, number>()
  let opening: Promise<PreflightLooks> | undefined
  const looks = () => (opening ??= import('./preflight.ts').then((module) => module.createPreflight(app)))

  const isDown = ({ directory }: CaName): boolean => {
    const since = downSince.get(directory)
    return since !== undefined && performance.now() - since < downMs
  }

  /** Its certificate may be there already: no other CA may be asked for the same version. */
  async function isFinalizing({ name }: Certificate, ca: CaName): Promise<boolean> {
    const order = await store.get<{ directory: string; finalizing?: boolean }>(`orders/${name}`)
    return order?.value.finalizing === true && order.value.directory === ca.directory
  }

  /** Why a CA that the plan may not have looked at can't be used. */
  async function obstacleAt(ca: CaName, certificate: Certificate): Promise<CertsError | undefined> {
    const { faults, refusals, down } = await lookAtCa(app, await looks(), {
      certificate,
      directory: ca.directory,
    })
    const [first] = [...faults, ...refusals, ...(down ? [down] : [])]
    if (down) downSince.set(ca.directory, performance.now())
    return first && new AcmeError(first.message, { hint: first.hints, detail: first.detail })
  }

  return {
    async issue(certificate, issuance, tries) {
      const failures: Failed[] = []
      const order = [issuance.ca, ...issuance.next]
      let { number } = issuance
      for (const [index, ca] of order.entries()) {
        const rest = order.slice(index + 1)
        const begun = await isFinalizing(certificate, ca)
        if (!begun && isDown(ca) && rest.some((other) => !isDown(other))) {
          failures.push({ ca, error: new AcmeError('it did not answer a moment ago') })
          continue
        }
        const looked = begun || (index === 0 && ca.directory === cas.all[0].directory)
        const obstacle = looked ? undefined : await obstacleAt(ca, certificate)
        if (obstacle) {
          failures.push({ ca, error: obstacle })
          continue
        }
        try {
          const passedOver = [...issuance.passedOver, ...failures.map(passOver)]
          const because = [issuance.because, ...passedOver.map(sayPassedOver)].join('; ')
          const version = await recordIssuance(
            app,
            { certificate: certificate.name, number, because, ca },
            () => app.issue(certificate, number, { directory: ca.directory, impatient: rest.length > 0 }),
          )
          tries.issued(ca.directory)
          return { version, ca, passedOver }
        } catch (error) {
          if (!(error instanceof CertsError)) throw error
          await tries.failed(ca.directory, error)
          failures.push({ ca, error })
          const kind = judgeFailure(error)
          if (kind === 'down') downSince.set(ca.directory, performance.now())
          const [next] = rest
          if (io.signal.aborted || kind === 'shared' || !next) break
          if (await isFinalizing(certificate, ca)) {
            if (!issuance.late || kind !== 'down') break
            number += 1
          }
          const because = error.message
          app.emit({
            kind: 'ca-passed-over',
            certificate: certificate.name,
            ca: ca.name,
            because,
            next: next.name,
          })
        }
      }
      throw failures.length === 1 ? failures[0]!.error : noneIssued(certificate, failures)
    },
  }
}

function passOver({ ca, error }: Failed): PassedOver {
  return { name: ca.name, because: error.message }
}

function noneIssued({ name }: Certificate, failures: readonly Failed[]): AcmeError {
  const said = failures.map(({ ca, error }) => `${ca.name}: ${error.message}`).join('; ')
  const details = failures.flatMap(({ error }) => error.detail ?? [])
  return new AcmeError(`no CA issued ${name}: ${said}`, {
    hint: [...new Set(failures.flatMap(({ error }) => error.hints))],
    detail: details.join('\n'),
  })
}
