import type { TsigKey, Verdict } from './tsig.ts'

/** Why an answer was not accepted, and what to do: for the end of an error message. `now` in milliseconds. */
export function explain(
  verdict: Exclude<Verdict, { kind: 'verified' }>,
  { key, rcode, now }: { key: TsigKey; rcode: string; now: number },
): { cause: string; hint: string } {
  const named = `TSIG key ${key.name} (${key.algorithm})`
  if (verdict.kind === 'unsigned') {
    return {
      cause: `${rcode}, and the answer is not signed`,
      hint: `see that this server speaks TSIG and has the ${named}`,
    }
  }
  if (verdict.kind === 'forged') {
    return {
      cause: `the answer's signature is not made with the ${named}`,
      hint: 'something between here and the server answers for it or changes what it says',
    }
  }
  switch (verdict.error) {
    case 'BADKEY':
      return {
        cause: `the server has no ${named}: BADKEY`,
        hint: `compare tsig.name and tsig.algorithm with the key statement in named.conf`,
      }
    case 'BADTIME':
      return {
        cause: `the clocks differ: ${iso(now)} here, ${there(verdict.serverTime)}: BADTIME`,
        hint: 'set the clock that is wrong: timedatectl set-ntp true',
      }
    case 'BADSIG':
    case 'BADTRUNC':
      return {
        cause: `the server has another secret for the ${named}: ${verdict.error}`,
        hint: `compare tsig.secret with the key statement in named.conf`,
      }
  }
}

function there(serverSeconds: number | undefined): string {
  return serverSeconds === undefined ? 'unknown there' : `${iso(serverSeconds * 1000)} there`
}

function iso(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`
}
