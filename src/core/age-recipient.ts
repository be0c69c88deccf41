/** Why keys can't be sealed to this text, or undefined for an age recipient that can be taken (age1…, age1pq1…). */
export function judgeRecipient(text: string): string | undefined {
  if (/^AGE-SECRET-KEY-/i.test(text)) {
    return 'this is an identity, which is secret: take it out, and put in what age-keygen -y says of its file'
  }
  if (/^(ssh-|ecdsa-|sk-)/.test(text)) {
    return `SSH keys are not supported as recipients; make an age identity: ${makeOne}`
  }
  if (!/^age1/i.test(text)) return `write an age recipient, as age1…; make one: ${makeOne}`
  const prefix = text.slice(0, text.lastIndexOf('1')).toLowerCase()
  const bytes = lengths[prefix]
  if (bytes === undefined) {
    const kind = prefix.replace('age1', '').replace(/[^a-z0-9+._-]/g, '?')
    return `recipients of plugins (here ${kind}) are not supported; make an age identity: ${makeOne}`
  }
  const words = wordsOf(text, prefix)
  if (words && Math.floor((words * 5) / 8) === bytes) return undefined
  return `${shorten(text)} is not whole: a character is wrong, missing or too many; compare it with age-keygen -y`
}

const makeOne = 'age-keygen -o identity.txt'

/** Bytes of the public key behind each prefix: X25519, and ML-KEM-768 with X25519. */
const lengths: Readonly<Record<string, number>> = { age: 32, age1pq: 1216 }

function shorten(text: string): string {
  return text.length > 70 ? `${text.slice(0, 20)}…${text.slice(-10)}` : text
}

const alphabet = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
const generator = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3]
const checksumWords = 6

/** How many words of five bits the text holds, undefined unless its checksum is right (Bech32, BIP 173). */
function wordsOf(text: string, prefix: string): number | undefined {
  const lower = text.toLowerCase()
  if (text !== lower) return undefined
  const letters = [...Buffer.from(prefix)]
  const words = [...Buffer.from(lower.slice(prefix.length + 1))].map((code) =>
    alphabet.indexOf(String.fromCharCode(code)),
  )
  if (words.length < checksumWords || words.includes(-1)) return undefined
  const whole = [...letters.map((code) => code >> 5), 0, ...letters.map((code) => code & 31), ...words]
  return polymod(whole) === 1 ? words.length - checksumWords : undefined
}

function polymod(words: readonly number[]): number {
  return words.reduce((sum, word) => {
    const top = sum >> 25
    const next = ((sum & 0x1ffffff) << 5) ^ word
    return generator.reduce((mixed, part, bit) => ((top >> bit) & 1 ? mixed ^ part : mixed), next)
  }, 1)
}
