package kernel

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/flatline-dev/flatline/chaos"
)

// clause is a part of a rule: a condition, or what to do when all conditions hold. text is what nft(8) would write.
type clause struct {
	text  string
	exprs []expr.Any
}

type rule []clause

func (r rule) String() string {
	words := make([]string, len(r))
	for i, c := range r {
		words[i] = c.text
	}
	return strings.Join(words, " ")
}

func (r rule) exprs() []expr.Any {
	var all []expr.Any
	for _, c := range r {
		all = append(all, c.exprs...)
	}
	return all
}

// chain is a base chain of one occurrence.
type chain struct {
	name     string
	kind     nftables.ChainType
	hook     *nftables.ChainHook
	priority int32
	rules    []rule
}

// Priorities on the receiving side: before anything else looks at the packet, and so that a packet which is lost is not
// refused. On the sending side: after network address translation, which could turn a detoured packet around.
const (
	lossPriority   = -290
	refusePriority = -280
	outPriority    = 200
)

// chance is in parts of this many.
const chanceParts = 1_000_000_000

// program is the chains that put f in force for the victims in the set.
func program(f *chaos.Fault, set string, byAddress bool) []chain {
	if f.Kind == chaos.Refuse {
		return refusal(set, byAddress)
	}
	up, down := f.Direction != chaos.Down, f.Direction != chaos.Up
	var loss rule // empty: always
	if f.Kind == chaos.Drop {
		loss = rule{chance(f.Rate)}
	}
	with := func(clauses ...clause) rule { return append(loss[:len(loss):len(loss)], clauses...) }
	in := chain{name: "in", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookInput, priority: lossPriority}
	if byAddress {
		if up {
			in.rules = append(in.rules, with(ipv4(), tcp(), saddr(set), drop()))
		}
		if down {
			in.rules = append(in.rules, with(ipv4(), tcp(), daddr(set), drop()))
		}
		return []chain{in}
	}
	if down {
		in.rules = append(in.rules, with(tcp(), socketMark(set), drop()))
	}
	if !up {
		return []chain{in}
	}
	in.rules = append(in.rules, with(fromLoopback(), tcp(), mark(set), drop()))
	return []chain{in,
		{name: "out", kind: nftables.ChainTypeRoute, hook: nftables.ChainHookOutput, priority: outPriority, rules: []rule{
			with(toNetwork(), ipv4(), tcp(), mark(set), detour4()),
			with(toNetwork(), ipv6(), tcp(), mark(set), detour6()),
		}},
		{name: "pit", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookPrerouting, priority: lossPriority, rules: []rule{
			{fromLoopback(), detoured(), drop()},
		}},
	}
}

func refusal(set string, byAddress bool) []chain {
	in := chain{name: "in", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookInput, priority: refusePriority}
	if byAddress {
		in.rules = []rule{{ipv4(), tcp(), syn(), saddr(set), reset()}}
		return []chain{in}
	}
	in.rules = []rule{{fromLoopback(), tcp(), syn(), mark(set), reset()}}
	return []chain{in,
		{name: "out", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookOutput, priority: outPriority, rules: []rule{
			{toNetwork(), tcp(), syn(), mark(set), reset()},
		}},
	}
}

func compare(text string, load expr.Any, op expr.CmpOp, data ...byte) clause {
	return clause{text, []expr.Any{load, &expr.Cmp{Op: op, Register: 1, Data: data}}}
}

func member(text, set string, load expr.Any) clause {
	return clause{text + " @" + set, []expr.Any{load, &expr.Lookup{SourceRegister: 1, SetName: set}}}
}

func meta(key expr.MetaKey) expr.Any { return &expr.Meta{Key: key, Register: 1} }

func tcp() clause {
	return compare("meta l4proto tcp", meta(expr.MetaKeyL4PROTO), expr.CmpOpEq, unix.IPPROTO_TCP)
}
func ipv4() clause {
	return compare("meta nfproto ipv4", meta(expr.MetaKeyNFPROTO), expr.CmpOpEq, unix.NFPROTO_IPV4)
}
func ipv6() clause {
	return compare("meta nfproto ipv6", meta(expr.MetaKeyNFPROTO), expr.CmpOpEq, unix.NFPROTO_IPV6)
}

func native16(v uint16) []byte { return binary.NativeEndian.AppendUint16(nil, v) }
func native32(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

func fromLoopback() clause {
	return compare("meta iiftype loopback", meta(expr.MetaKeyIIFTYPE), expr.CmpOpEq, native16(unix.ARPHRD_LOOPBACK)...)
}
func toNetwork() clause {
	return compare("meta oiftype != loopback", meta(expr.MetaKeyOIFTYPE), expr.CmpOpNeq, native16(unix.ARPHRD_LOOPBACK)...)
}
func detoured() clause {
	return compare(fmt.Sprintf("meta mark %#x", Detoured), meta(expr.MetaKeyMARK), expr.CmpOpEq, native32(Detoured)...)
}

func header(offset, n uint32) expr.Any {
	return &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: n}
}
func saddr(set string) clause { return member("ip saddr", set, header(12, 4)) }
func daddr(set string) clause { return member("ip daddr", set, header(16, 4)) }
func mark(set string) clause  { return member("meta mark", set, meta(expr.MetaKeyMARK)) }
func socketMark(set string) clause {
	return member("socket mark", set, &expr.Socket{Key: expr.SocketKeyMark, Register: 1})
}

// syn holds for the first packet of a connection: of the flags SYN (2), RST (4), ACK (16) and FIN (1) it has only SYN.
func syn() clause {
	return clause{"tcp flags & (fin | syn | rst | ack) == syn", []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{0x17}, Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{0x02}},
	}}
}

// chance holds for a share of the packets, independently. nf_tables compares bytes, so the number has to be big-endian.
func chance(rate float64) clause {
	parts := uint32(math.Round(rate * chanceParts))
	return clause{fmt.Sprintf("numgen random mod %d < %d", chanceParts, parts), []expr.Any{
		&expr.Numgen{Register: 1, Modulus: chanceParts, Type: unix.NFT_NG_RANDOM},
		&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 4, Size: 4},
		&expr.Cmp{Op: expr.CmpOpLt, Register: 1, Data: binary.BigEndian.AppendUint32(nil, parts)},
	}}
}

func drop() clause {
	return clause{"drop", []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}}
}
func reset() clause {
	return clause{"reject with tcp reset", []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}}}
}

// detour sends a packet to the loopback device, with a mark by which it is lost there.
func detour(text string, offset uint32, addr []byte) clause {
	return clause{fmt.Sprintf("%s meta mark set %#x", text, Detoured), []expr.Any{
		&expr.Immediate{Register: 1, Data: addr},
		&expr.Payload{OperationType: expr.PayloadWrite, SourceRegister: 1, Base: expr.PayloadBaseNetworkHeader,
			Offset: offset, Len: uint32(len(addr))},
		&expr.Immediate{Register: 1, Data: native32(Detoured)},
		&expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: 1},
	}}
}
func detour4() clause { return detour("ip daddr set 127.0.0.1", 16, []byte{127, 0, 0, 1}) }
func detour6() clause { return detour("ip6 daddr set ::1", 24, []byte{15: 1}) }
