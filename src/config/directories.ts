/** A public CA that has a name in `acme.directory`. What else it offers (renewal information, profiles) its directory says. */
export interface NamedCa {
  /** What a person calls it. */
  readonly name: string
  readonly url: string
  /** Where it needs an external account binding (RFC 8555 section 7.3.4): how a person gets one. */
  readonly eab?: string
}

export const directories: Readonly<Record<string, NamedCa>> = {
  letsencrypt: { name: "Let's Encrypt", url: 'https://acme-v02.api.letsencrypt.org/directory' },
  'letsencrypt-staging': {
    name: "Let's Encrypt staging",
    url: 'https://acme-staging-v02.api.letsencrypt.org/directory',
  },
  google: {
    name: 'Google Trust Services',
    url: 'https://dv.acme-v02.api.pki.goog/directory',
    eab: 'gcloud publicca external-account-keys create',
  },
  zerossl: {
    name: 'ZeroSSL',
    url: 'https://acme.zerossl.com/v2/DV90',
    eab: 'make one at https://app.zerossl.com/developer',
  },
  actalis: {
    name: 'Actalis',
    url: 'https://acme-api.actalis.com/acme/directory',
    eab: "take it from the customer area, under 'Manage with ACME'",
  },
  sslcom: {
    name: 'SSL.com',
    url: 'https://acme.ssl.com/sslcom-dv-ecc',
    eab: "take it from the dashboard at https://secure.ssl.com, under 'API credentials'",
  },
}
