import { sayCount } from './count.ts'
import { sayInstant } from './duration.ts'
import { table } from './paint.ts'
import type { Paint } from './paint.ts'
import { sayPassedOver } from './say-passed-over.ts'
import type { CertificateResult, NodeResult, RunResult } from './result.ts'

/** What a run did: a table of nodes and one sentence for each certificate. */
export function renderReport(result: RunResult, paint: Paint): string {
  return result.certificates.map((certificate) => renderCertificate(certificate, paint)).join('\n\n')
}

function renderCertificate(result: CertificateResult, paint: Paint): string {
  const header = ['NODE', 'RESULT', 'VERSION', ''].map((cell) => paint('dim', cell))
  const rows = result.nodes.map((node) => [
    node.node,
    sayStatus(node, paint),
    sayVersions(node),
    node.because,
  ])
  const grid = rows.length === 0 ? [] : table([header, ...rows], '  ')
  const notes = result.nodes.flatMap(({ node, notes: said = [] }) =>
    said.map((note) => `${paint('yellow', 'note')}: ${node}: ${note}`),
  )
  const lines = [...grid, '', ...sayIssuer(result), sayResult(result), ...notes]
  return [paint('bold', result.certificate), ...lines].join('\n')
}

/** Worth a word when it was not the first CA. */
function sayIssuer({ certificate, issuance: { number, ca, passedOver = [] } }: CertificateResult): string[] {
  if (ca === undefined || passedOver.length === 0) return []
  return [
    `${certificate}: ${ca} issued version ${number}, because ${passedOver.map(sayPassedOver).join('; ')}.`,
  ]
}

function sayStatus({ status }: NodeResult, paint: Paint): string {
  switch (status) {
    case 'done':
      return paint('green', 'done')
    case 'unchanged':
      return paint('green', 'right')
    case 'failed':
      return paint('red', 'failed')
    case 'rolled-back':
      return paint('yellow', 'rolled back')
    case 'not-run':
      return paint('yellow', 'not run')
  }
}

function sayVersions({ status, from, to }: NodeResult): string {
  const moved = status === 'done' || status === 'rolled-back'
  if (moved && from !== undefined && to !== undefined && from !== to) return `${from} → ${to}`
  return `${(moved ? to : from) ?? '-'}`
}

function sayResult({ certificate, issuance, nodes, halted }: CertificateResult): string {
  const good = nodes.filter(({ status }) => status === 'done' || status === 'unchanged').length
  const version = issuance.number === undefined ? '' : ` version ${issuance.number}`
  const validity = issuance.notAfter === undefined ? '' : `, valid until ${sayInstant(issuance.notAfter)}`
  if (issuance.status === 'failed') return `${certificate}: nothing was rolled out.`
  if (nodes.length === 0)
    return `${certificate}:${version} is stored${validity}; no node is configured for it.`
  const back = nodes.filter(({ status }) => status === 'rolled-back').length
  const returned = back === 0 ? '' : `; ${sayCount(back, 'node')} went back`
  const stopped = halted === undefined ? '' : ` The rollout halted: ${halted}${returned}.`
  if (issuance.number === undefined)
    return `${certificate}: ${good} of ${nodes.length} nodes are as asked for.${stopped}`
  return `${certificate}:${version} is on ${good} of ${nodes.length} nodes${validity}.${stopped}`
}
