// Real servers that flatline holds profiles against. Prints {"socket.io": port, ...} once all listen; ends with standard
// input. `quick` gives each a heartbeat of 2 s, so that a test sees it give up; otherwise they keep their defaults.
import { createServer } from 'node:http'
import { buildSchema } from 'graphql'
import { useServer } from 'graphql-ws/use/ws'
import { WebSocketServer } from 'ws'
import { Server } from 'socket.io'

const quick = process.argv[2] === 'quick'
const listen = (http) => new Promise((done) => http.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => done(http.address().port)))

const io = createServer()
new Server(io, quick ? { pingInterval: 2000, pingTimeout: 1500 } : {})

const graphql = createServer()
useServer({ schema: buildSchema('type Query { hello: String }') }, new WebSocketServer({ server: graphql }), quick ? 2000 : undefined)

// ws has no heartbeat of its own: its documentation says to ping in turn, and to drop whoever has not answered by the next.
const echo = createServer()
const sockets = new WebSocketServer({ server: echo })
sockets.on('connection', (ws) => {
  ws.alive = true
  ws.on('pong', () => { ws.alive = true })
  ws.on('error', () => {})
  ws.on('message', (data, binary) => ws.send(data, { binary }))
})
setInterval(() => {
  for (const ws of sockets.clients) {
    if (!ws.alive) { ws.terminate(); continue }
    ws.alive = false
    ws.ping()
  }
}, quick ? 2000 : 30000)

console.log(JSON.stringify({ 'socket.io': await listen(io), 'graphql-ws': await listen(graphql), ws: await listen(echo) }))
process.stdin.resume().on('end', () => process.exit())
