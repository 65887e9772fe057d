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

// chain is a chain of one occurrence; without a hook it is one that another jumps to.
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

// family is that of the table: where clients are known by address, all packets that matter are IPv4.
func family(by knownBy) nftables.TableFamily {
	if by == byAddress {
		return nftables.TableFamilyIPv4
	}
	return nftables.TableFamilyINet
}

// program is the chains that put f in force for the victims in the set, a chain before the one that jumps to it. A rule
// begins with what fails for most packets: every packet of the namespace passes here.
func program(f *chaos.Fault, set string, by knownBy) []chain {
	if f.Kind == chaos.Refuse {
		return refusal(set, by)
	}
	up, down := f.Direction != chaos.Down, f.Direction != chaos.Up
	var loss rule // empty: always
	if f.Kind == chaos.Drop {
		loss = rule{chance(f.Rate)}
	}
	with := func(clauses ...clause) rule { return append(loss[:len(loss):len(loss)], clauses...) }
	in := chain{name: "in", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookInput, priority: lossPriority}
	if down && by == byAddress {
		in.rules = append(in.rules, with(daddr(set), tcp(), drop()))
	}
	if down && by != byAddress {
		in.rules = append(in.rules, with(socketMark(set), tcp(), drop()))
	}
	if up && by == byAddress {
		in.rules = append(in.rules, with(saddr(set), tcp(), drop()))
	}
	if up && by != byAddress {
		in.rules = append(in.rules, with(mark(set), fromLoopback(), tcp(), drop()))
	}
	if !up || by != byMark {
		return []chain{in}
	}
	return []chain{in,
		{name: "away", rules: []rule{{ipv4(), detour4()}, {ipv6(), detour6()}}},
		{name: "out", kind: nftables.ChainTypeRoute, hook: nftables.ChainHookOutput, priority: outPriority, rules: []rule{
			with(mark(set), toNetwork(), tcp(), jump(set, "away")),
		}},
		{name: "pit", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookPrerouting, priority: lossPriority, rules: []rule{
			{detoured(), fromLoopback(), drop()},
		}},
	}
}

func refusal(set string, by knownBy) []chain {
	in := chain{name: "in", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookInput, priority: refusePriority}
	if by == byAddress {
		in.rules = []rule{{saddr(set), tcp(), syn(), reset()}}
		return []chain{in}
	}
	in.rules = []rule{{mark(set), fromLoopback(), tcp(), syn(), reset()}}
	if by == byLoopbackMark {
		return []chain{in}
	}
	return []chain{in,
		{name: "out", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookOutput, priority: outPriority, rules: []rule{
			{mark(set), toNetwork(), tcp(), syn(), reset()},
		}},
	}
}

// chainName is the full name of a chain of the occurrence that has the set.
func chainName(set, name string) string { return set + "-" + name }

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
func jump(set, to string) clause {
	to = chainName(set, to)
	return clause{"jump " + to, []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: to}}}
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
