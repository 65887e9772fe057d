package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Messages and states of linux/sock_diag.h, linux/inet_diag.h and net/tcp_states.h.
const (
	sockDiagByFamily = 20
	sockDestroy      = 21

	tcpEstablished = 1
	tcpCloseWait   = 8
	tcpLastAck     = 9
	tcpListen      = 10

	diagRequestSize = 56 // struct inet_diag_req_v2
	diagMessageSize = 72 // struct inet_diag_msg
	diagCookie      = 44 // where the cookie stands in a message
)

// diag asks the kernel about single TCP sockets of this network namespace, whoever owns them (sock_diag(7)).
type diag struct {
	mu   sync.Mutex
	conn *netlink.Conn
}

func newDiag() (*diag, error) {
	c, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return nil, fmt.Errorf("engine kernel: open sock_diag: %w", err)
	}
	return &diag{conn: c}, nil
}

// ends are the two addresses of a socket as its owner sees them, and its cookie, which no other socket ever has.
type ends struct {
	local, remote netip.AddrPort
	cookie        [8]byte
}

var anyCookie = [8]byte{255, 255, 255, 255, 255, 255, 255, 255} // INET_DIAG_NOCOOKIE

// request encodes a question for exactly this socket.
func (s *ends) request() []byte {
	b := make([]byte, diagRequestSize)
	b[0] = unix.AF_INET
	if s.remote.Addr().Is6() {
		b[0] = unix.AF_INET6
	}
	b[1] = unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(b[4:], ^uint32(0)) // any state
	id := b[8:]
	binary.BigEndian.PutUint16(id[0:], s.local.Port())
	binary.BigEndian.PutUint16(id[2:], s.remote.Port())
	copy(id[4:], s.local.Addr().AsSlice())
	copy(id[20:], s.remote.Addr().AsSlice())
	copy(id[40:], s.cookie[:])
	return b
}

// state is the TCP state of the socket, and its cookie; ok is false when there is none. A zero s.cookie stands for any.
func (d *diag) state(s *ends) (state uint8, cookie [8]byte, ok bool, err error) {
	ask := *s
	if ask.cookie == [8]byte{} {
		ask.cookie = anyCookie
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	answer, err := d.conn.Execute(netlink.Message{Header: netlink.Header{Type: sockDiagByFamily, Flags: netlink.Request}, Data: ask.request()})
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ESTALE): // ESTALE: the cookie is another socket's
		return 0, cookie, false, nil
	case err != nil:
		return 0, cookie, false, err
	case len(answer) == 0 || len(answer[0].Data) < diagMessageSize:
		return 0, cookie, false, fmt.Errorf("sock_diag gave a short answer")
	}
	b := answer[0].Data
	copy(cookie[:], b[diagCookie:])
	// Where there is no connection the kernel finds the listener.
	return b[1], cookie, b[1] != tcpListen, nil
}

// destroy resets the socket, which must have its cookie. Its owner sees ECONNABORTED.
func (d *diag) destroy(s *ends) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, err := d.conn.Execute(netlink.Message{
		Header: netlink.Header{Type: sockDestroy, Flags: netlink.Request | netlink.Acknowledge}, Data: s.request()})
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESTALE) {
		return nil // it went by itself
	}
	return err
}

func (d *diag) close() error { return d.conn.Close() }
