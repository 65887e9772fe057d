//go:build linux && heavy

package kernel

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// dieMidFault holds client 0 of a server in a blackhole and waits to be killed.
func dieMidFault() {
	addr := netip.MustParseAddrPort(os.Getenv("FLATLINE_TEST_ADDR"))
	start := time.Now()
	e, err := New(Config{Clock: func() time.Duration { return time.Since(start) }, Observer: &notes{}, Clients: 1, Target: addr.Addr()})
	if err == nil {
		var victims chaos.Set
		victims.Add(0)
		err = e.Begin(&chaos.Fault{Kind: chaos.Blackhole}, chaos.Occurrence{Name: "blackhole"}, &victims)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("in force")
	io.Copy(io.Discard, os.Stdin)
}

// TestSIGKILL: whoever dies in the middle of a fault leaves nothing behind.
func TestSIGKILL(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), inside+"=victim", "FLATLINE_TEST_ADDR="+l.Addr().String())
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "in force" {
		t.Fatalf("the victim says %q, %v", line, err)
	}
	prefix := fmt.Sprintf("flatline-%d-", cmd.Process.Pid)
	present := func() bool {
		return slices.ContainsFunc(flatlineTables(t), func(s string) bool { return strings.HasPrefix(s, prefix) })
	}
	if !present() {
		t.Fatalf("tables %q, want one of %s", flatlineTables(t), prefix)
	}
	// The fault is in force for everybody who comes from the victim's address.
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: Address(0, netip.Addr{}).AsSlice()}}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if _, err := d.DialContext(ctx, "tcp", l.Addr().String()); !isTimeout(err) {
		t.Fatalf("dial during the fault: %v, want a timeout", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	eventually(t, "the kernel removes the table", func() bool { return !present() })
	c, err := d.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
