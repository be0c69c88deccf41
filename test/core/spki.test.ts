import { X509Certificate } from 'node:crypto'
import { rootCertificates } from 'node:tls'
import { expect, test } from 'vitest'
import { keyTypes, readLeaf } from '../../src/core/certificate.ts'
import { cutSpki } from '../../src/core/spki.ts'

test.each(rootCertificates.map((pem) => [new X509Certificate(pem).subject.replaceAll('\n', ', '), pem]))(
  'the key of %s is cut out as node:crypto exports it, and named alike',
  (_subject, pem) => {
    const x509 = new X509Certificate(pem)
    expect(cutSpki(x509.raw)).toEqual(x509.publicKey.export({ type: 'spki', format: 'der' }))
    const { asymmetricKeyType, asymmetricKeyDetails: details } = x509.publicKey
    const curves = { prime256v1: 'ecdsa-p256', secp384r1: 'ecdsa-p384' } as const
    const curve = curves[details?.namedCurve as keyof typeof curves]
    const named = asymmetricKeyType === 'rsa' ? `rsa-${details?.modulusLength}` : curve
    expect(readLeaf(pem).keyType).toBe(keyTypes.find((type) => type === named) ?? 'other')
  },
)

test.each([Buffer.alloc(0), Buffer.from('30'), Buffer.from('0500', 'hex')])('refuses %j', (der) => {
  expect(() => cutSpki(der)).toThrow(TypeError)
})
