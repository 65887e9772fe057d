package kernel

import (
	"errors"
	"fmt"
	"net"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/flatline-dev/flatline/chaos"
)

// kill ends the connections that the victims have. e.mu is held.
func (e *Engine) kill(f *chaos.Fault, o chaos.Occurrence, victims *chaos.Set) error {
	end := resetSocket
	if f.Mode() == chaos.FIN {
		end = finishSocket
	}
	var errs []error
	for i := range victims.All {
		p := &e.paths[i]
		p.mu.Lock()
		for c := p.conns; c != nil; c = c.next {
			if err := c.endWith(end); err != nil {
				errs = append(errs, err)
			} else if f.Mode() == chaos.RST && p.lossy.Load() > 0 {
				errs = append(errs, e.resetPeer(c))
			}
		}
		p.mu.Unlock()
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("engine kernel: begin %s: %w", o.Name, err)
	}
	return nil
}

// endWith applies end to the socket, unless it is closed already.
func (c *conn) endWith(end func(fd int) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var ended error
	if err := raw.Control(func(fd uintptr) { ended = end(int(fd)) }); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	if errors.Is(ended, unix.ENOTCONN) {
		return nil // the server was faster
	}
	return ended
}

// resetSocket makes the kernel send a RST to the server and tell the client ECONNRESET, as if a RST had come for both:
// connect(2) to AF_UNSPEC dissolves the association.
func resetSocket(fd int) error {
	none := unix.RawSockaddr{Family: unix.AF_UNSPEC}
	_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&none)), unsafe.Sizeof(none))
	if errno != 0 {
		return fmt.Errorf("reset: %w", errno)
	}
	return nil
}

// finishSocket sends a FIN to the server and gives the client an end of file.
func finishSocket(fd int) error { return unix.Shutdown(fd, unix.SHUT_RDWR) }

// resetPeer ends the server's side of a reset connection, where it can be seen and the RST may have been lost: nobody
// sends a RST twice.
func (e *Engine) resetPeer(c *conn) error {
	peer := c.peer()
	_, cookie, ok, err := e.diag.state(&peer)
	if err != nil || !ok {
		return err
	}
	peer.cookie = cookie
	if err := e.diag.destroy(&peer); err != nil && !errors.Is(err, unix.EOPNOTSUPP) { // without CONFIG_INET_DIAG_DESTROY
		return fmt.Errorf("reset the server's end: %w", err)
	}
	return nil
}
