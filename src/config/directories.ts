/** Directory URLs of public CAs by the name used in `acme.directory`. */
export const directories: Readonly<Record<string, string>> = {
  letsencrypt: 'https://acme-v02.api.letsencrypt.org/directory',
  'letsencrypt-staging': 'https://acme-staging-v02.api.letsencrypt.org/directory',
  google: 'https://dv.acme-v02.api.pki.goog/directory',
  zerossl: 'https://acme.zerossl.com/v2/DV90',
}
