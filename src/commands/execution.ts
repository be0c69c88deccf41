import type { App } from '../app.ts'
import { hasChanges, hasProblems } from '../core/plan.ts'
import { renderErrorFacts } from '../core/render-error.ts'
import { problemsOf } from '../core/plan-problems.ts'
import { sayPlan } from '../core/render-plan.ts'
import { renderReport } from '../core/render-report.ts'
import { isSuccess } from '../core/result.ts'
import type { CertificateResult, RunResult } from '../core/result.ts'
import type { Io } from '../io.ts'
import { choosePaint } from '../progress.ts'
import { exitCode } from './command.ts'
import type { Invocation } from './command.ts'
import type { Prepared } from './preparation.ts'

export type Outcome =
  | { readonly kind: 'nothing-to-do'; readonly prepared: Prepared }
  | { readonly kind: 'declined'; readonly prepared: Prepared }
  | { readonly kind: 'applied'; readonly result: RunResult }

/** Applies a plan that has changes. Throws UnsafePlanError unless `--force`. */
export async function execute(app: App, prepared: Prepared, invocation: Invocation): Promise<Outcome> {
  if (!hasChanges(prepared.plan)) return { kind: 'nothing-to-do', prepared }
  if (prepared.unsafe && !invocation.flag('force')) throw prepared.unsafe
  const { apply } = await import('../apply.ts')
  return { kind: 'applied', result: await apply(prepared.plan, app) }
}

/** Prints the outcome and returns the exit code. Errors go to standard error, one block each. */
export function report(outcome: Outcome, invocation: Invocation, io: Io): number {
  if (outcome.kind === 'declined') return exitCode.failed
  if (invocation.flag('json')) {
    const data = outcome.kind === 'applied' ? outcome.result : outcome.prepared.plan
    io.stdout.write(`${JSON.stringify(data, null, 2)}\n`)
  }
  if (outcome.kind === 'nothing-to-do') {
    const { plan } = outcome.prepared
    if (!invocation.flag('json')) io.stdout.write(`${sayPlan(plan)}\n`)
    for (const error of problemsOf(plan)) io.stderr.write(renderErrorFacts(error))
    return hasProblems(plan) ? exitCode.failed : exitCode.done
  }
  if (!invocation.flag('json'))
    io.stdout.write(`${renderReport(outcome.result, choosePaint(io, io.stdout))}\n`)
  for (const error of outcome.result.certificates.flatMap(errorsOf)) io.stderr.write(renderErrorFacts(error))
  return isSuccess(outcome.result) ? exitCode.done : exitCode.failed
}

function errorsOf({ issuance, nodes }: CertificateResult) {
  return [issuance.error ?? [], ...nodes.map(({ error }) => error ?? [])].flat()
}
