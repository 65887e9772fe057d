//go:build linux && heavy

package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// inside marks the process that runs in a network namespace of its own; its value is its role.
const inside = "FLATLINE_TEST_NETNS"

// TestMain runs the tests in a network namespace that ends with them. No rule of theirs ever meets the host's packets.
func TestMain(m *testing.M) {
	switch os.Getenv(inside) {
	case "":
		cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		cmd.Env = append(os.Environ(), inside+"=tests")
		cmd.SysProcAttr = newNamespace()
		err := cmd.Run()
		var exit *exec.ExitError
		switch {
		case errors.As(err, &exit):
			os.Exit(exit.ExitCode())
		case err != nil:
			fmt.Fprintln(os.Stderr, "make a network namespace:", err)
			os.Exit(1)
		}
		return
	case "far end":
		farEnd()
		return
	case "victim":
		dieMidFault()
		return
	case "nobody":
		fmt.Print(Available())
		return
	}
	if err := linkUp(1, nil); err != nil {
		fmt.Fprintln(os.Stderr, "loopback:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// newNamespace is for a child in a network namespace of its own, also for those who are not root.
func newNamespace() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return attr
}

// rtnetlink sends one request and waits for its acknowledgement.
func rtnetlink(kind netlink.HeaderType, flags netlink.HeaderFlags, data []byte) error {
	c, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Execute(netlink.Message{Header: netlink.Header{Type: kind, Flags: netlink.Request | netlink.Acknowledge | flags}, Data: data})
	return err
}

// ifinfo is a struct ifinfomsg.
func ifinfo(index int, up bool) []byte {
	b := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(b[4:], uint32(index))
	if up {
		binary.NativeEndian.PutUint32(b[8:], unix.IFF_UP)
		binary.NativeEndian.PutUint32(b[12:], unix.IFF_UP)
	}
	return b
}

// linkUp switches the interface on and gives it the IPv4 address, with /24.
func linkUp(index int, addr net.IP) error {
	if addr != nil {
		attrs, err := netlink.MarshalAttributes([]netlink.Attribute{{Type: unix.IFA_LOCAL, Data: addr.To4()}, {Type: unix.IFA_ADDRESS, Data: addr.To4()}})
		if err != nil {
			return err
		}
		b := make([]byte, unix.SizeofIfAddrmsg)
		b[0], b[1] = unix.AF_INET, 24
		binary.NativeEndian.PutUint32(b[4:], uint32(index))
		if err := rtnetlink(unix.RTM_NEWADDR, netlink.Create, append(b, attrs...)); err != nil {
			return err
		}
	}
	return rtnetlink(unix.RTM_NEWLINK, 0, ifinfo(index, true))
}

// veth makes a pair of Ethernet devices: near here, far in the namespace of process pid.
func veth(near, far string, pid int) error {
	b, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.IFLA_IFNAME, Data: append([]byte(far), 0)},
		{Type: unix.IFLA_NET_NS_PID, Data: binary.NativeEndian.AppendUint32(nil, uint32(pid))},
	})
	if err != nil {
		return err
	}
	const vethInfoPeer = 1
	peer, err := netlink.MarshalAttributes([]netlink.Attribute{{Type: vethInfoPeer, Data: append(ifinfo(0, false), b...)}})
	if err != nil {
		return err
	}
	info, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.IFLA_INFO_KIND, Data: []byte("veth\x00")}, {Type: unix.IFLA_INFO_DATA, Data: peer}})
	if err != nil {
		return err
	}
	all, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.IFLA_IFNAME, Data: append([]byte(near), 0)}, {Type: unix.IFLA_LINKINFO, Data: info}})
	if err != nil {
		return err
	}
	return rtnetlink(unix.RTM_NEWLINK, netlink.Create|netlink.Excl, append(ifinfo(0, false), all...))
}

// farEnd is an echo server in a namespace of its own, at the other end of a cable. It ends with its standard input.
func farEnd() {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "far end:", err)
			os.Exit(1)
		}
	}
	fmt.Println("born")
	var line string
	_, err := fmt.Scanln(&line) // "plug": the cable is there
	fail(err)
	dev, err := net.InterfaceByName("far0")
	fail(err)
	fail(linkUp(dev.Index, net.IPv4(10, 9, 8, 2)))
	l, err := net.Listen("tcp", "10.9.8.2:0")
	fail(err)
	fmt.Println(l.Addr())
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
	io.Copy(io.Discard, os.Stdin)
}
