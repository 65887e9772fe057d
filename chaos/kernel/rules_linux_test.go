package kernel

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/flatline-dev/flatline/chaos"
)

// text is what nft(8) would show of the chains.
func text(chains []chain) string {
	hooks := map[nftables.ChainHook]string{*nftables.ChainHookInput: "input", *nftables.ChainHookOutput: "output", *nftables.ChainHookPrerouting: "prerouting"}
	var b strings.Builder
	for _, c := range chains {
		if c.hook == nil {
			fmt.Fprintf(&b, "%s:\n", c.name)
		} else {
			fmt.Fprintf(&b, "%s: type %s hook %s priority %d\n", c.name, c.kind, hooks[*c.hook], c.priority)
		}
		for _, r := range c.rules {
			fmt.Fprintf(&b, "  %v\n", r)
		}
	}
	return b.String()
}

func TestRules(t *testing.T) {
	for _, tt := range []struct {
		name string
		f    chaos.Fault
		by   knownBy
		want string
	}{
		{"blackhole by address", chaos.Fault{Kind: chaos.Blackhole}, byAddress, `
in: type filter hook input priority -290
  ip daddr @v7 meta l4proto tcp drop
  ip saddr @v7 meta l4proto tcp drop
`},
		{"blackhole up by address", chaos.Fault{Kind: chaos.Blackhole, Direction: chaos.Up}, byAddress, `
in: type filter hook input priority -290
  ip saddr @v7 meta l4proto tcp drop
`},
		{"drop down by address", chaos.Fault{Kind: chaos.Drop, Rate: 0.05, Direction: chaos.Down}, byAddress, `
in: type filter hook input priority -290
  numgen random mod 1000000000 < 50000000 ip daddr @v7 meta l4proto tcp drop
`},
		{"refuse by address", chaos.Fault{Kind: chaos.Refuse}, byAddress, `
in: type filter hook input priority -280
  ip saddr @v7 meta l4proto tcp tcp flags & (fin | syn | rst | ack) == syn reject with tcp reset
`},
		{"drop by mark", chaos.Fault{Kind: chaos.Drop, Rate: 0.5, Direction: chaos.Both}, byMark, `
in: type filter hook input priority -290
  numgen random mod 1000000000 < 500000000 socket mark @v7 meta l4proto tcp drop
  numgen random mod 1000000000 < 500000000 meta mark @v7 meta iiftype loopback meta l4proto tcp drop
away:
  meta nfproto ipv4 ip daddr set 127.0.0.1 meta mark set 0x65ffffff
  meta nfproto ipv6 ip6 daddr set ::1 meta mark set 0x65ffffff
out: type route hook output priority 200
  numgen random mod 1000000000 < 500000000 meta mark @v7 meta oiftype != loopback meta l4proto tcp jump v7-away
pit: type filter hook prerouting priority -290
  meta mark 0x65ffffff meta iiftype loopback drop
`},
		{"blackhole up on ::1", chaos.Fault{Kind: chaos.Blackhole, Direction: chaos.Up}, byLoopbackMark, `
in: type filter hook input priority -290
  meta mark @v7 meta iiftype loopback meta l4proto tcp drop
`},
		{"blackhole down by mark", chaos.Fault{Kind: chaos.Blackhole, Direction: chaos.Down}, byMark, `
in: type filter hook input priority -290
  socket mark @v7 meta l4proto tcp drop
`},
		{"refuse by mark", chaos.Fault{Kind: chaos.Refuse}, byMark, `
in: type filter hook input priority -280
  meta mark @v7 meta iiftype loopback meta l4proto tcp tcp flags & (fin | syn | rst | ack) == syn reject with tcp reset
out: type filter hook output priority 200
  meta mark @v7 meta oiftype != loopback meta l4proto tcp tcp flags & (fin | syn | rst | ack) == syn reject with tcp reset
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want[1:], text(program(&tt.f, "v7", tt.by))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRulesEncode: what stands in the text is what goes to the kernel, and the rules of one fault share no memory.
func TestRulesEncode(t *testing.T) {
	for _, kind := range []chaos.Kind{chaos.Blackhole, chaos.Drop, chaos.Refuse} {
		for _, by := range []knownBy{byAddress, byLoopbackMark, byMark} {
			for _, c := range program(&chaos.Fault{Kind: kind, Rate: 0.25}, "v0", by) {
				for _, r := range c.rules {
					for _, e := range r.exprs() {
						if b, err := expr.Marshal(unix.NFPROTO_INET, e); err != nil || len(b) == 0 {
							t.Errorf("%v: %T: %v", r, e, err)
						}
					}
				}
			}
		}
	}
}

// TestChance: the kernel compares bytes, the most significant first.
func TestChance(t *testing.T) {
	for rate, want := range map[float64]uint32{0: 0, 1e-9: 1, 0.05: 50_000_000, 0.5: 500_000_000, 1: 1_000_000_000} {
		cmp := chance(rate).exprs[2].(*expr.Cmp)
		if got := binary.BigEndian.Uint32(cmp.Data); got != want || cmp.Op != expr.CmpOpLt {
			t.Errorf("rate %v: op %v %d, want < %d", rate, cmp.Op, got, want)
		}
	}
}

// TestDiagRequest is a struct inet_diag_req_v2 written out by hand.
func TestDiagRequest(t *testing.T) {
	s := ends{local: netip.MustParseAddrPort("127.0.0.1:8080"), remote: netip.MustParseAddrPort("127.1.0.2:40000"), cookie: anyCookie}
	want := make([]byte, 56)
	copy(want, []byte{unix.AF_INET, unix.IPPROTO_TCP, 0, 0, 255, 255, 255, 255})
	copy(want[8:], []byte{0x1f, 0x90, 0x9c, 0x40})
	copy(want[12:], []byte{127, 0, 0, 1})
	copy(want[28:], []byte{127, 1, 0, 2})
	copy(want[48:], bytes.Repeat([]byte{255}, 8))
	if diff := cmp.Diff(want, s.request()); diff != "" {
		t.Error(diff)
	}
	s.local, s.remote = netip.MustParseAddrPort("[::1]:1"), netip.MustParseAddrPort("[::1]:2")
	if got := s.request(); got[0] != unix.AF_INET6 || got[27] != 1 || got[43] != 1 {
		t.Errorf("IPv6: % x", got)
	}
}

func TestExplain(t *testing.T) {
	for err, want := range map[error]string{
		unix.EPERM:           "CAP_NET_ADMIN",
		unix.EPROTONOSUPPORT: "Linux 5.12",
		unix.ENOENT:          "nft_numgen",
		unix.ENOMEM:          "cannot use nf_tables",
	} {
		got := explain(fmt.Errorf("conn.Receive: %w", err))
		if s := got.Error(); !strings.Contains(s, want) || !strings.Contains(s, "hint:") || !strings.Contains(s, "engine stream needs no privilege") {
			t.Errorf("%v: %s", err, s)
		}
	}
	if explain(nil) != nil {
		t.Error("an error out of nothing")
	}
}
