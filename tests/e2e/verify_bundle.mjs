// Verifies a sigstore bundle by a public key, with the library that npm itself uses. Arguments: the directory that the
// packages are installed in, the bundle, the public key. Ends with 0 if the signature is good.
import { readFileSync } from 'node:fs'
import { createPublicKey } from 'node:crypto'
import { createRequire } from 'node:module'

const [directory, bundlePath, keyPath] = process.argv.slice(2)
const require = createRequire(directory + '/node_modules/')
const { bundleFromJSON } = require('@sigstore/bundle')
const { toSignedEntity, Verifier } = require('@sigstore/verify')
const publicKey = createPublicKey(readFileSync(keyPath))
const material = {
  certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [],
  publicKey: () => ({ publicKey, validFor: () => true }),
}
const bundle = bundleFromJSON(JSON.parse(readFileSync(bundlePath, 'utf8')))
try {
  new Verifier(material, { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 }).verify(toSignedEntity(bundle))
} catch (error) {
  console.error(`refused: ${error.code ?? error.message}`)
  process.exit(3)
}
