// Runs a Bluesky server and the directory of identities it needs, both in this process, both on loopback.
//
// In: PORT, PLC_PORT, DATA, and RATE_LIMITS=1 for the server's own limits. Out: a server until SIGTERM.
// SIGUSR2 sets its clock ahead of the machine's, by the milliseconds in DATA.ahead; it says so in DATA.ahead.done.
// Never: reaches out; what belongs to the app view (counters, notifications, search) is answered 502, as when it is down.
import { readFileSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'

// Hours pass at once: tokens expire, limits are lifted. Before anything else is loaded, so that all of it goes by this clock.
let ahead = 0
const machine = Date
globalThis.Date = new Proxy(machine, {
  construct: (target, given, made) => Reflect.construct(target, given.length ? given : [machine.now() + ahead], made),
  apply: () => new Date().toString(),
  get: (target, name) => (name === 'now' ? () => machine.now() + ahead : Reflect.get(target, name)),
})
// Long timers ring when their time has come by that clock.
const waiting = new Map()
const { setTimeout: begin, clearTimeout: end } = globalThis
globalThis.setTimeout = (ring, span, ...values) => {
  const timer = begin(() => { waiting.delete(timer); ring(...values) }, span)
  if (span >= 60_000) waiting.set(timer, { due: Date.now() + span, ring: () => ring(...values) })
  return timer
}
globalThis.clearTimeout = (timer) => { waiting.delete(timer); end(timer) }
process.on('SIGUSR2', () => {
  const file = `${process.env.DATA}.ahead`
  ahead = Number(readFileSync(file, 'utf8'))
  for (const [timer, { due, ring }] of [...waiting]) {
    if (due > Date.now()) continue
    clearTimeout(timer)
    ring()
  }
  writeFileSync(`${file}.done`, String(ahead))
})

const { PDS, envToCfg, envToSecrets } = await import('@atproto/pds')
const { Database, PlcServer } = await import('@did-plc/server')

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

const stop = async () => {
  await server.destroy()
  await directory.destroy()
  process.exit(0)
}
process.on('SIGTERM', stop)
process.on('SIGINT', stop)
