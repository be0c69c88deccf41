/** A public CA that has a name in `acme.directory`. What else it offers (renewal information, profiles) its directory says. */
export interface NamedCa {
  readonly url: string
  /** Where it needs an external account binding (RFC 8555 section 7.3.4): how a person gets one. */
  readonly eab?: string
}

export const directories: Readonly<Record<string, NamedCa>> = {
  letsencrypt: { url: 'https://acme-v02.api.letsencrypt.org/directory' },
  'letsencrypt-staging': { url: 'https://acme-staging-v02.api.letsencrypt.org/directory' },
  google: {
    url: 'https://dv.acme-v02.api.pki.goog/directory',
    eab: 'gcloud publicca external-account-keys create',
  },
  zerossl: {
    url: 'https://acme.zerossl.com/v2/DV90',
    eab: 'make one at https://app.zerossl.com/developer',
  },
  actalis: {
    url: 'https://acme-api.actalis.com/acme/directory',
    eab: "take it from the customer area, under 'Manage with ACME'",
  },
  sslcom: {
    url: 'https://acme.ssl.com/sslcom-dv-ecc',
    eab: "take it from the dashboard at https://secure.ssl.com, under 'API credentials'",
  },
}
