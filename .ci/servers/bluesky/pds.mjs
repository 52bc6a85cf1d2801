// Runs a Bluesky server and the directory of identities it needs, both in this process, both on loopback.
//
// In: PORT, PLC_PORT, DATA, and RATE_LIMITS=1 for the server's own limits. Out: a server until SIGTERM.
// Never: reaches out; what belongs to the app view (counters, notifications, search) is answered 502, as when it is down.
import { mkdir } from 'node:fs/promises'
import { PDS, envToCfg, envToSecrets } from '@atproto/pds'
import { Database, PlcServer } from '@did-plc/server'

const port = Number(process.env.PORT)
const plcPort = Number(process.env.PLC_PORT)
const data = process.env.DATA

await mkdir(`${data}/blobs`, { recursive: true })
const directory = PlcServer.create({ db: Database.mock(), port: plcPort })
await directory.start()

const settings = {
  port,
  hostname: 'localhost',
  devMode: true,
  dataDirectory: data,
  blobstoreDiskLocation: `${data}/blobs`,
  blobUploadLimit: 5_000_000,
  didPlcUrl: `http://localhost:${plcPort}`,
  serviceHandleDomains: ['.test'],
  inviteRequired: false,
  disableSsrfProtection: true,
  rateLimitsEnabled: process.env.RATE_LIMITS === '1',
  // Throw-away secrets of a throw-away server.
  adminPassword: 'for-tests-only',
  jwtSecret: 'for-tests-only-for-tests-only-for-tests-only',
  plcRotationKeyK256PrivateKeyHex: '7'.repeat(64),
  bskyAppViewUrl: 'https://appview.invalid',
  bskyAppViewDid: 'did:example:appview',
  bskyAppViewCdnUrlPattern: 'https://cdn.invalid/%s/%s/%s',
  modServiceUrl: 'https://moderation.invalid',
  modServiceDid: 'did:example:moderation',
}
const server = await PDS.create(envToCfg(settings), envToSecrets(settings))
await server.start()

const end = async () => {
  await server.destroy()
  await directory.destroy()
  process.exit(0)
}
process.on('SIGTERM', end)
process.on('SIGINT', end)
