package packet

import (
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/flatline-dev/flatline/chaos"
)

// Conn is a client's end of a connection. It implements [net.Conn]; all methods may be called concurrently. It is made
// by [Engine.Dial].
type Conn struct {
	socket
	e     *Engine
	flow  *flow
	code  atomic.Int32 // of the close frame that a kill has forged
	wrote atomic.Bool
	tls   atomic.Bool // the first byte written opened a TLS record
	torn  atomic.Bool // a Write was cut short inside a frame
}

var _ net.Conn = (*Conn)(nil)

// Read implements [net.Conn].
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.read(b)
	if err != nil || n == 0 {
		if code := c.code.Load(); code != 0 && !c.closed.Load() {
			return 0, &chaos.CloseFrameError{Code: int(code)}
		}
	}
	return n, c.opError("read", err)
}

// Write implements [net.Conn]. It does not wait: what TCP's send buffer does not take at once is refused with
// [ErrSendBufferFull].
func (c *Conn) Write(b []byte) (int, error) {
	if len(b) > 0 && !c.wrote.Swap(true) {
		const handshakeRecord = 22 // RFC 8446, section 5.1
		c.tls.Store(b[0] == handshakeRecord)
	}
	n, err := c.write(b)
	if n < len(b) {
		c.torn.Store(true)
	}
	return n, c.opError("write", err)
}

// Close implements [net.Conn]. It returns at once; TCP sends what is still buffered and then FIN, again and again, until
// the other end acknowledges or TCP gives up. Bytes that were not read make it a RST, as in Linux.
func (c *Conn) Close() error {
	if !c.shut() {
		return c.opError("close", net.ErrClosed)
	}
	p := c.flow.p
	now := c.e.clock()
	p.mu.Lock()
	cut, far := c.flow.cut, c.flow.far
	if !c.flow.serverBye {
		far = nil
	}
	c.flow.clientGone = true
	c.flow.strand(now, p.client, c.e.obs)
	p.drop(c.flow)
	p.mu.Unlock()
	if cut {
		c.ep.Abort() // nothing it sends goes anywhere
		if far != nil {
			far.abandon() // nor is there anything to wait for
		}
	}
	c.ep.Close()
	c.e.release()
	return nil
}

// closeBy gives the client a close frame that no server sent, and the server one that the client did not send, then FIN.
// Above TLS, before the upgrade and behind half a frame there is no place for a frame: the server then sees only FIN.
func (c *Conn) closeBy(code int) {
	if !c.code.CompareAndSwap(0, int32(code)) {
		return
	}
	if c.wrote.Load() && !c.tls.Load() && !c.torn.Load() {
		_, _ = c.write(closeFrame(uint16(code))) // a full buffer leaves only the FIN
	}
	_ = c.ep.Shutdown(tcpip.ShutdownWrite | tcpip.ShutdownRead)
	signal(c.readable)
}

// closeFrame is a client's close frame with the code and no reason (RFC 6455, sections 5.2 and 5.5.1), masked. The mask
// has no effect on what the server sees, so it need not follow from the seed.
func closeFrame(code uint16) []byte {
	frame := []byte{0x88, 0x80 | 2, 0, 0, 0, 0, byte(code >> 8), byte(code)}
	binary.LittleEndian.PutUint32(frame[2:], rand.Uint32())
	frame[6] ^= frame[2]
	frame[7] ^= frame[3]
	return frame
}

// LocalAddr is the client's address as the target sees it. Where the gateway has no connection to a target of its own it
// is the address in the private network.
func (c *Conn) LocalAddr() net.Addr {
	c.flow.p.mu.Lock()
	defer c.flow.p.mu.Unlock()
	if c.flow.local != nil {
		return c.flow.local
	}
	return c.e.net.addr(c.e.net.client(int(c.flow.p.client)), c.flow.port)
}

// RemoteAddr is the target's address, or the gateway's.
func (c *Conn) RemoteAddr() net.Addr {
	c.flow.p.mu.Lock()
	defer c.flow.p.mu.Unlock()
	if c.flow.remote != nil {
		return c.flow.remote
	}
	return c.e.net.addr(c.e.net.gateway, c.e.net.port)
}

// SetDeadline implements [net.Conn].
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline implements [net.Conn].
func (c *Conn) SetReadDeadline(t time.Time) error {
	if c.closed.Load() {
		return c.opError("set", net.ErrClosed)
	}
	c.setReadDeadline(t)
	return nil
}

// SetWriteDeadline implements [net.Conn]. Since Write does not wait, only a deadline in the past has an effect.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if c.closed.Load() {
		return c.opError("set", net.ErrClosed)
	}
	c.setWriteDeadline(t)
	return nil
}

func (c *Conn) opError(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// isReset reports whether err says that the other end dropped the connection.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ETIMEDOUT) ||
		errors.Is(err, syscall.ECONNABORTED)
}

// addr is an address of the private network as net has it.
func (a *addressing) addr(ip tcpip.Address, port uint16) net.Addr {
	return &net.TCPAddr{IP: net.IP(ip.AsSlice()), Port: int(port)}
}
