// learners.mjs LIBRARY HOST:PORT: twenty real clients with short, fixed settings, until standard input ends. Every client names
// itself in the query of its URL where the library lets it.
import { createRequire } from 'node:module'
import WebSocket from 'ws'

const require = createRequire(import.meta.url)
const [library, addr] = process.argv.slice(2)
globalThis.WebSocket = WebSocket
process.on('uncaughtException', () => {}) // a reset that nobody handles ends no page
process.on('unhandledRejection', () => {})
const url = (i, path = '/') => `ws://${addr}${path}?learner=${i}`
const inTurn = (list) => (n) => list[Math.min(n, list.length - 1)]
const sleep = (ms) => new Promise((done) => setTimeout(done, ms))

const libraries = {
  'socket.io'(i) {
    require('socket.io-client').io('http://' + addr, {
      transports: ['websocket'], query: { learner: i }, forceNew: true,
      reconnectionDelay: 1000, reconnectionDelayMax: 60000, randomizationFactor: 0,
    })
  },
  phoenix(i) {
    const wait = inTurn([1000, 2000, 4000])
    new (require('phoenix').Socket)(`ws://${addr}/socket`, {
      transport: WebSocket, params: { learner: i }, heartbeatIntervalMs: 1000, reconnectAfterMs: (tries) => wait(tries - 1),
    }).connect()
  },
  mqtt(i) {
    require('mqtt').connect(url(i), { keepalive: 2, protocolVersion: 4, reconnectPeriod: 1400 }).on('error', () => {})
  },
  centrifuge(i) {
    new (require('centrifuge').Centrifuge)(url(i, '/connection/websocket'), {
      websocket: WebSocket, minReconnectDelay: 1200, maxReconnectDelay: 1200, maxServerPingDelay: 1500,
    }).connect()
  },
  partysocket(i) {
    const { default: Party } = require('partysocket/ws')
    new Party(url(i), [], { WebSocket, minReconnectionDelay: 1000, reconnectionDelayGrowFactor: 2, maxReconnectionDelay: 60000, minUptime: 1 })
  },
  'graphql-ws'(i) {
    const wait = inTurn([1000, 2000, 4000])
    require('graphql-ws').createClient({
      url: url(i), webSocketImpl: WebSocket, lazy: false, keepAlive: 1000, retryAttempts: 1000, shouldRetry: () => true,
      retryWait: (n) => sleep(wait(n)), onNonLazyError: () => {},
    })
  },
  signalr(i) {
    const { HubConnectionBuilder, HttpTransportType, LogLevel } = require('@microsoft/signalr')
    const c = new HubConnectionBuilder()
      .withUrl(`http://${addr}/?learner=${i}`, { skipNegotiation: true, transport: HttpTransportType.WebSockets })
      .withAutomaticReconnect([1000, 2000, 4000, 8000, 8000, 8000, 8000, 8000])
      .configureLogging(LogLevel.None).build()
    c.serverTimeoutInMilliseconds = 2500
    c.keepAliveIntervalInMilliseconds = 1000
    c.start()
  },
  sockette(i) {
    const Sockette = require('sockette')
    new (Sockette.default ?? Sockette)(url(i), { timeout: 1600, maxAttempts: 1000, onerror: () => {} })
  },
  'websocket-heartbeat-js'(i) {
    globalThis.window ??= globalThis
    const Heartbeat = require('websocket-heartbeat-js')
    new (Heartbeat.default ?? Heartbeat)({ url: url(i), pingTimeout: 1000, pongTimeout: 1500, reconnectTimeout: 1800, pingMsg: 'heartbeat' })
  },
  'reconnecting-websocket'(i) {
    const RWS = require('reconnecting-websocket')
    new (RWS.default ?? RWS)(url(i), [], { WebSocket, minReconnectionDelay: 1000, reconnectionDelayGrowFactor: 2, maxReconnectionDelay: 60000, minUptime: 1 })
  },
}

for (let i = 0; i < 20; i++) {
  libraries[library](i)
  await sleep(130) // not in step with any interval
}
process.stdin.resume().on('end', () => process.exit())
