// Package session keeps what the clients of a server have published until it has reached them: the state that outlives a
// connection, and, where it is shared, a node. It knows numbers of clients, rooms and positions, and nothing of
// connections or frames.
//
// There is one order of all messages, their positions. Who follows a destination sees its messages in that order; what it
// missed it reads again behind a position.
package session
