import type { Answers, Behaviour } from './behaviour.ts'

/** A way to fail, and how a person is told of it. */
export interface NodeFault {
  readonly behaviour: Behaviour
  /** What its error says after the node's name. */
  readonly says: RegExp
  /** Whether it is known before anything is done: then nothing may have been sent to be installed. */
  readonly early?: true
  /** Left out of the quick run: it is known by a deadline of 15 or 45 s. */
  readonly long?: true
}

/** Every way in which a node of a large fleet fails here, each once. */
export function nodeFaults(answers: Answers): Readonly<Record<string, NodeFault>> {
  const before = (from: string | RegExp, to: string): Behaviour => {
    const text = answers.before.replace(from, to)
    if (text === answers.before) throw new Error(`a node does not say ${from} any more`)
    return { inspect: { do: 'answer', text } }
  }
  const refuses = (error: string, said = ''): Behaviour => ({
    install: {
      do: 'answer',
      text: framed('step locked', said, `error ${error}`, said && `said ${said}`, 'end failed'),
      exitCode: 1,
    },
  })
  const half = answers.install.slice(0, answers.install.indexOf('TOKEN step tested'))
  return {
    'a lock that is held': {
      behaviour: refuses('lock unchanged held'),
      says: /^another run is at work on this node/,
    },
    'a disk that fills up': {
      behaviour: refuses('stage unchanged staging', 'base64: write error: No space left on device'),
      says: /^can't write version 2 of /,
    },
    'a test that fails': {
      behaviour: refuses('test restored failed 1', 'nginx: [emerg] cannot load certificate'),
      says: /^nginx -t failed/,
    },
    'a reload that fails': {
      behaviour: refuses('reload restored failed 1'),
      says: /^systemctl reload nginx failed/,
    },
    'a switch that says it could not be undone, and was': {
      behaviour: refuses('switch degraded failed 1'),
      says: /^could not switch live\/\S+$/,
    },
    'a connection that dies in the installation': {
      behaviour: { install: { do: 'die', text: half } },
      says: /gave no result: the connection died/,
    },
    'an installation that never ends': {
      behaviour: { install: { do: 'silent', text: half } },
      says: /nothing was heard for 45 s/,
      long: true,
    },
    'an installation that floods': { behaviour: { install: { do: 'flood' } }, says: /said more than 256 KB/ },
    'an installation that lies about its files': {
      behaviour: {
        install: { do: 'answer', text: answers.install.replaceAll(/sum \w{8}/g, 'sum 00000000') },
      },
      says: /says version 2 of \S+ is in place, but it is not/,
    },
    'a reload that does nothing': {
      behaviour: { serves: 'old' },
      says: /^verification failed: .* not the wanted one$/,
    },
    'a TLS that is silent afterwards': {
      behaviour: { serves: 'silent' },
      says: /^verification failed: .*no answer to the TLS handshake/,
    },
    'a TLS that hangs up afterwards': { behaviour: { serves: 'nothing' }, says: /^verification failed: / },
    'a rollback that fails, too': {
      behaviour: {
        serves: 'old',
        rollback: {
          do: 'answer',
          text: framed('error rollback unchanged incomplete', 'end failed'),
          exitCode: 1,
        },
      },
      says: /^verification failed: /,
    },
    'a port that nobody listens at': {
      behaviour: { door: 'closed' },
      says: /^connect to \S+ failed: connection refused/,
      early: true,
    },
    'a frozen machine': {
      behaviour: { door: 'frozen' },
      says: /^ssh handshake at \S+ failed: no answer/,
      early: true,
      long: true,
    },
    'an sshd that drops connections': {
      behaviour: { door: 'drops' },
      says: /it drops connections before they begin \(4 tries\)/,
      early: true,
    },
    'another host key': {
      behaviour: { door: 'other-key' },
      says: /^host key of \S+ has changed/,
      early: true,
    },
    'an unknown host key': {
      behaviour: { door: 'unknown-key' },
      says: /^host key of \S+ is unknown/,
      early: true,
    },
    'a login that is refused': {
      behaviour: { door: 'refuses' },
      says: /^login as deploy at .* was refused/,
      early: true,
    },
    'no login shell': {
      behaviour: {
        inspect: { do: 'answer', text: 'This account is currently not available.\n', exitCode: 1 },
      },
      says: /gave no complete answer \(exit 1\)/,
      early: true,
    },
    'a connection that dies in the inspection': {
      behaviour: { inspect: { do: 'die', text: answers.before.slice(0, 400) } },
      says: /the connection died/,
      early: true,
    },
    garbage: {
      behaviour: { inspect: { do: 'answer', text: '\u001b[2J\u0000\u00ff<html>502</html>\n'.repeat(50) } },
      says: /gave no complete answer/,
      early: true,
    },
    'the answer to another call': {
      behaviour: {
        inspect: { do: 'answer', text: answers.before.replaceAll('TOKEN', 'deadbeefdeadbeefdeadbeef') },
      },
      says: /gave no complete answer/,
      early: true,
    },
    'half an answer': {
      behaviour: { inspect: { do: 'answer', text: answers.before.slice(0, -15) } },
      says: /gave no complete answer/,
      early: true,
    },
    'output without end': {
      behaviour: { inspect: { do: 'flood' } },
      says: /said more than 256 KB/,
      early: true,
    },
    'an inspection that never ends': {
      behaviour: { inspect: { do: 'silent', text: answers.before.slice(0, 400) } },
      says: /nothing was heard for 45 s/,
      early: true,
      long: true,
    },
    'a configuration that nginx refuses': {
      behaviour: before('TOKEN test 0', 'TOKEN said nginx: [emerg] unknown directive "sll"\nTOKEN test 1'),
      says: /^nginx -t already fails, before any change of ours/,
      early: true,
    },
    'a stopped nginx': {
      behaviour: before('found yes yes', 'found yes no'),
      says: /^nginx is not running/,
      early: true,
    },
    'a full disk': {
      behaviour: before(/disk yes \d+/, 'disk yes 0'),
      says: /^its disk is full/,
      early: true,
    },
    'a disk that is read only': {
      behaviour: before('disk yes', 'disk no'),
      says: /^its certificate folder is not writable/,
      early: true,
    },
    'a real file in live': {
      behaviour: before(
        /TOKEN stat symbolic link\/777\/root:root\/('live\/\S+\/privkey\.pem') -> .*/,
        'TOKEN stat regular file/600/root:root/$1',
      ),
      says: /privkey\.pem is a real file, not a link/,
      early: true,
    },
  }
}

function framed(...lines: readonly string[]): string {
  return lines
    .filter((line) => line !== '')
    .map((line) => `TOKEN ${line}\n`)
    .join('')
}
