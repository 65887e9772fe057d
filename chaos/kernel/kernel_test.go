package kernel

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

func TestAddress(t *testing.T) {
	target := netip.MustParseAddr("127.1.0.3")
	far := netip.MustParseAddr("127.0.0.1")
	for _, tt := range []struct {
		client int
		target netip.Addr
		want   string
	}{
		{0, far, "127.1.0.0"},
		{255, far, "127.1.0.255"},
		{256, far, "127.1.1.0"},
		{MaxClients - 1, far, "127.255.255.253"},
		{0, netip.Addr{}, "127.1.0.0"},
		{2, target, "127.1.0.2"},
		{3, target, "127.1.0.4"}, // the target's own is left out
		{MaxClients - 1, target, "127.255.255.254"},
		{3, netip.MustParseAddr("::ffff:127.1.0.3"), "127.1.0.4"},
		{3, netip.MustParseAddr("10.0.0.1"), "127.1.0.3"},
		{3, netip.MustParseAddr("203.0.113.9"), "127.1.0.3"}, // above 127/8: nothing to leave out
	} {
		if got := Address(tt.client, tt.target).String(); got != tt.want {
			t.Errorf("client %d of target %v has %s, want %s", tt.client, tt.target, got, tt.want)
		}
	}
}

func TestKnow(t *testing.T) {
	for addr, want := range map[string]knownBy{"127.0.0.1": byAddress, "127.9.9.9": byAddress, "::ffff:127.0.0.1": byAddress,
		"::1": byLoopbackMark, "10.0.0.1": byMark, "192.0.2.1": byMark, "2001:db8::1": byMark} {
		if got := know(netip.MustParseAddr(addr)); got != want {
			t.Errorf("know(%s) = %v, want %v", addr, got, want)
		}
	}
	if got := know(netip.Addr{}); got != byMark {
		t.Errorf("an unknown target: %v", got)
	}
}

func TestCan(t *testing.T) {
	for _, tt := range []struct {
		f    chaos.Fault
		want string // in the error; "": it can
	}{
		{chaos.Fault{Kind: chaos.Blackhole}, ""},
		{chaos.Fault{Kind: chaos.Blackhole, Direction: chaos.Up}, ""},
		{chaos.Fault{Kind: chaos.Drop, Rate: 0.05}, ""},
		{chaos.Fault{Kind: chaos.Drop, Rate: 0.05, Burst: 1}, ""},
		{chaos.Fault{Kind: chaos.Refuse}, ""},
		{chaos.Fault{Kind: chaos.Kill}, ""},
		{chaos.Fault{Kind: chaos.Kill, How: chaos.FIN}, ""},
		{chaos.Fault{Kind: chaos.Drop, Rate: 0.05, Burst: 4}, "engine packet can"},
		{chaos.Fault{Kind: chaos.Kill, How: chaos.Close, Code: 1012}, "engine stream or packet can"},
		{chaos.Fault{Kind: chaos.Kill, How: chaos.Process}, "engine process can"},
		{chaos.Fault{Kind: chaos.Delay, By: time.Second}, "engine stream or packet can"},
		{chaos.Fault{Kind: chaos.Throttle, Rate: 1000}, "engine stream or packet can"},
		{chaos.Fault{Kind: chaos.Reorder, Rate: 0.1}, "engine packet can"},
		{chaos.Fault{Kind: chaos.IdleCut, After: time.Minute}, "engine stream or packet can"},
		{chaos.Fault{Kind: chaos.Refuse, Nodes: []int{0}}, "choose clients"},
	} {
		err := (*Engine)(nil).Can(&tt.f)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%v: %v", &tt.f, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "kernel cannot do "+string(tt.f.Kind))):
			t.Errorf("%v: %v, want %q in it", &tt.f, err, tt.want)
		}
	}
}

func TestConfig(t *testing.T) {
	clock := func() time.Duration { return 0 }
	for name, cfg := range map[string]Config{
		"too many clients": {Clock: clock, Observer: silent{}, Clients: MaxClients + 1},
		"no clock":         {Observer: silent{}},
		"no observer":      {Clock: clock},
	} {
		if e, err := New(cfg); err == nil {
			e.Close()
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "CAP_NET_ADMIN") {
			t.Errorf("%s: noticed too late: %v", name, err)
		}
	}
}

type silent struct{}

func (silent) PathCut(time.Duration, int, int)      {}
func (silent) ZombieBegan(time.Duration, int)       {}
func (silent) ZombieEnded(time.Duration, int, bool) {}
