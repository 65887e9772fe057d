// client.mjs LIBRARY HOST:PORT: a real client, for four seconds. Prints {"events": [...], "open": bool}.
import { createRequire } from 'node:module'
import WebSocket from 'ws'

const require = createRequire(import.meta.url)
const [library, addr] = process.argv.slice(2)
const [wsHost, wsPort] = addr.split(':')
const events = []
const note = (what) => () => events.push(what)
globalThis.WebSocket = WebSocket

const libraries = {
  'socket.io'() {
    const c = require('socket.io-client').io('http://' + addr, { transports: ['websocket'] })
    c.on('connect', note('open')).on('disconnect', note('closed'))
    c.io.on('ping', note('beat'))
    return () => c.connected
  },
  phoenix() {
    const c = new (require('phoenix').Socket)(`ws://${addr}/socket`, { transport: WebSocket, heartbeatIntervalMs: 500 })
    c.onOpen(note('open'))
    c.onClose(note('closed'))
    c.onMessage((m) => m.event === 'phx_reply' && events.push('beat'))
    c.connect()
    return () => c.isConnected()
  },
  mqtt() {
    const c = require('mqtt').connect('ws://' + addr, { keepalive: 1, protocolVersion: 4 })
    c.on('connect', note('open')).on('close', note('closed'))
    c.on('packetreceive', (p) => p.cmd === 'pingresp' && events.push('beat'))
    return () => c.connected
  },
  centrifuge() {
    const c = new (require('centrifuge').Centrifuge)(`ws://${addr}/connection/websocket`, { websocket: WebSocket })
    c.on('connected', note('open')).on('disconnected', note('closed'))
    c.connect()
    return () => c.state === 'connected'
  },
  pusher() {
    const c = new (require('pusher-js'))('key', { wsHost, wsPort, forceTLS: false, enabledTransports: ['ws'], cluster: 'x', enableStats: false })
    c.connection.bind('connected', note('open'))
    c.connection.bind('disconnected', note('closed'))
    c.connection.bind('message', (m) => m.event === 'pusher:pong' && events.push('beat'))
    return () => c.connection.state === 'connected'
  },
  actioncable() { // which is for pages only
    Object.assign(globalThis, { window: globalThis, document: { visibilityState: 'visible', documentElement: {} } })
    Object.assign(globalThis, { addEventListener() {}, removeEventListener() {} })
    const cable = require('@rails/actioncable')
    cable.adapters.WebSocket = WebSocket
    const c = cable.createConsumer(`ws://${addr}/cable`)
    const { monitor } = c.connection
    const name = monitor.recordMessage ? 'recordMessage' : 'recordPing'
    const heard = monitor[name].bind(monitor)
    monitor[name] = () => { events.push('beat'); heard() }
    c.connect()
    return () => c.connection.isOpen()
  },
  'graphql-ws'() {
    let open = false
    require('graphql-ws').createClient({
      url: 'ws://' + addr, webSocketImpl: WebSocket, lazy: false,
      on: { connected: () => { open = true; events.push('open') }, closed: () => { open = false; events.push('closed') } },
    })
    return () => open
  },
  signalr() {
    const { HubConnectionBuilder, HttpTransportType, LogLevel } = require('@microsoft/signalr')
    const c = new HubConnectionBuilder()
      .withUrl('http://' + addr, { skipNegotiation: true, transport: HttpTransportType.WebSockets })
      .configureLogging(LogLevel.None).build()
    c.serverTimeoutInMilliseconds = 1500
    c.onclose(note('closed'))
    c.start().then(note('open'))
    return () => c.state === 'Connected'
  },
  socketcluster() {
    const c = require('socketcluster-client').create({ hostname: wsHost, port: +wsPort })
    const every = async (stream, what) => { for await (const _ of stream) events.push(what) }
    every(c.listener('connect'), 'open')
    every(c.listener('disconnect'), 'closed')
    every(c.listener('raw'), 'raw')
    return () => c.state === 'open'
  },
  nats() {
    let c
    require('nats.ws').connect({ servers: 'ws://' + addr, pingInterval: 500 }).then(async (conn) => {
      events.push('open')
      c = conn
      for await (const s of c.status()) events.push(s.type)
    })
    return () => c !== undefined && !c.isClosed()
  },
  stomp() {
    const c = new (require('@stomp/stompjs').Client)({ brokerURL: 'ws://' + addr, onConnect: note('open'), onWebSocketClose: note('closed') })
    c.activate()
    return () => c.connected
  },
}

const open = libraries[library]()
setTimeout(() => {
  console.log(JSON.stringify({ events, open: open() }))
  process.exit()
}, 4000)
