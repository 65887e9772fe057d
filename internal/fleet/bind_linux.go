package fleet

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// lateBind lets the kernel choose the local port at connect(), where it has to be unique only together with the
// destination (IP_BIND_ADDRESS_NO_PORT, ip(7)), instead of at bind(), where it is taken from everybody.
func lateBind(_, _ string, rc syscall.RawConn) error {
	var opt error
	if err := rc.Control(func(fd uintptr) {
		opt = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	}); err != nil {
		return err
	}
	return opt
}
