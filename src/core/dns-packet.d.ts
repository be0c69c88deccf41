/** The part of dns-packet that dns-message.ts uses; the package ships no types. */
declare module 'dns-packet' {
  interface Codec<T> {
    readonly encode: (value: T, buffer?: Uint8Array, offset?: number) => Uint8Array
    readonly decode: { (buffer: Uint8Array, offset?: number): T; readonly bytes: number }
  }
  interface RecordData {
    A: string
    AAAA: string
    TXT: Uint8Array[]
  }
  export const name: Codec<string>
  /** Codecs of RDATA, each with its RDLENGTH before it. */
  export function record<T extends keyof RecordData>(type: T): Codec<RecordData[T]>
}
