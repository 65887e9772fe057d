// Real servers for flatline's profiles. Prints {"socket.io": port, ...} once all listen; ends with standard input.
import { createServer } from 'node:http'
import { buildSchema } from 'graphql'
import { useServer } from 'graphql-ws/use/ws'
import { WebSocketServer, createWebSocketStream } from 'ws'
import { Server } from 'socket.io'
import { Aedes } from 'aedes'

const listen = (http) => new Promise((done) => http.listen(0, '127.0.0.1', () => done(http.address().port)))

const io = createServer()
new Server(io, { pingInterval: 1000, pingTimeout: 700 }) // not what the client expects: it has to be told

const broker = await Aedes.createBroker()
const mqtt = createServer()
new WebSocketServer({ server: mqtt, handleProtocols: (offered) => [...offered][0] })
  .on('connection', (ws) => broker.handle(createWebSocketStream(ws)))

const graphql = createServer()
useServer({ schema: buildSchema('type Query { hello: String }') }, new WebSocketServer({ server: graphql }))

console.log(JSON.stringify({ 'socket.io': await listen(io), mqtt: await listen(mqtt), 'graphql-ws': await listen(graphql) }))
process.stdin.resume().on('end', () => process.exit())
