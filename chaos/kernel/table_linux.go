package kernel

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/flatline-dev/flatline/chaos"
)

// nftTableOwner is NFT_TABLE_F_OWNER of linux/netfilter/nf_tables.h (Linux 5.12): nobody else can change the table, and
// the kernel removes it when the netlink socket that made it is closed, by whomever.
const nftTableOwner = 0x2

// elementsPerBatch keeps a batch below 64 KiB: the length of a netlink attribute has 16 bits, and the socket's buffer
// need not be enlarged.
const elementsPerBatch = 2000

// table is an nftables table that belongs to its netlink socket.
type table struct {
	conn *nftables.Conn
	t    *nftables.Table
}

// newTable makes an empty table. It touches no packet until a chain is added.
func newTable(family nftables.TableFamily) (*table, error) {
	t := &nftables.Table{Name: tableName(), Family: family, Flags: nftTableOwner}
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *netlink.Conn) error {
		if err := makeOwned(c, t); err != nil {
			c.Close()
			return err
		}
		return nil
	}))
	if err != nil {
		return nil, err
	}
	return &table{conn, t}, nil
}

// makeOwned asks for the table on the socket that is to own it; the library does not pass a table's flags on.
func makeOwned(c *netlink.Conn, t *nftables.Table) error {
	attrs, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_TABLE_NAME, Data: []byte(t.Name + "\x00")},
		{Type: unix.NFTA_TABLE_FLAGS, Data: []byte{0, 0, 0, byte(t.Flags)}},
	})
	if err != nil {
		return err
	}
	message := func(kind int, flags netlink.HeaderFlags, family byte, id uint16, body []byte) netlink.Message {
		return netlink.Message{
			Header: netlink.Header{Type: netlink.HeaderType(kind), Flags: netlink.Request | flags},
			Data:   append([]byte{family, unix.NFNETLINK_V0, byte(id >> 8), byte(id)}, body...), // struct nfgenmsg
		}
	}
	_, err = c.SendMessages([]netlink.Message{
		message(unix.NFNL_MSG_BATCH_BEGIN, 0, 0, unix.NFNL_SUBSYS_NFTABLES, nil),
		message(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWTABLE, netlink.Create|netlink.Excl|netlink.Acknowledge, byte(t.Family), 0, attrs),
		message(unix.NFNL_MSG_BATCH_END, 0, 0, unix.NFNL_SUBSYS_NFTABLES, nil),
	})
	if err == nil {
		_, err = c.Receive()
	}
	return err
}

// tables counts the tables of this process.
var tables atomic.Int64

func tableName() string { return fmt.Sprintf("%s%d-%d", tablePrefix, os.Getpid(), tables.Add(1)) }

const tablePrefix = "flatline-"

// alone returns an error when an engine is at work in this network namespace already.
func alone() error {
	conn, err := nftables.New()
	if err != nil {
		return explain(err)
	}
	all, err := conn.ListTables()
	if err != nil {
		return explain(err)
	}
	for _, t := range all {
		if strings.HasPrefix(t.Name, tablePrefix) {
			return fmt.Errorf("engine kernel is at work in this network namespace already (table %s), and its faults would hit these clients too; hint: wait for its end, or give flatline a namespace of its own with unshare --net", t.Name)
		}
	}
	return nil
}

// close gives the table back to the kernel, which removes it.
func (t *table) close() error { return t.conn.CloseLasting() }

// occurrence is what one happening of a fault has in the table.
type occurrence struct {
	set    *nftables.Set
	chains []*nftables.Chain
}

// names are unique within the table, by the occurrence's index.
func setName(index int) string { return fmt.Sprintf("v%d", index) }

// add puts chains in force for the keys, all at once: the set is filled while nothing looks into it yet. What an error
// leaves behind is taken away by remove.
func (t *table) add(index int, chains []chain, keyType nftables.SetDatatype, keys [][]byte) (*occurrence, error) {
	o := &occurrence{set: &nftables.Set{Table: t.t, Name: setName(index), KeyType: keyType, Size: uint32(len(keys))}}
	if err := t.conn.AddSet(o.set, nil); err != nil {
		return o, err
	}
	for len(keys) > 0 {
		n := min(len(keys), elementsPerBatch)
		elements := make([]nftables.SetElement, n)
		for i := range elements {
			elements[i].Key = keys[i]
		}
		if err := t.conn.SetAddElements(o.set, elements); err != nil {
			return o, err
		}
		if err := t.conn.Flush(); err != nil {
			return o, err
		}
		keys = keys[n:]
	}
	for _, c := range chains {
		one := &nftables.Chain{Name: chainName(o.set.Name, c.name), Table: t.t, Type: c.kind, Hooknum: c.hook}
		if c.hook != nil {
			one.Priority = nftables.ChainPriorityRef(nftables.ChainPriority(c.priority))
		}
		o.chains = append(o.chains, t.conn.AddChain(one))
		for _, r := range c.rules {
			t.conn.AddRule(&nftables.Rule{Table: t.t, Chain: one, Exprs: r.exprs()})
		}
	}
	return o, t.conn.Flush()
}

// remove takes an occurrence out, all at once. The kernel deletes a chain together with its rules.
func (t *table) remove(o *occurrence) error {
	for _, c := range slices.Backward(o.chains) { // the jumping one before its target
		t.conn.DelChain(c)
	}
	t.conn.DelSet(o.set)
	return t.conn.Flush()
}

// Available returns nil when the kernel and the process's privileges allow this engine, and otherwise an error that says
// what is missing and which engine can do without. It leaves nothing behind.
func Available() error {
	t, err := newTable(family(byMark))
	if err != nil {
		return explain(err)
	}
	defer t.close()
	// Chains without hooks: every expression is looked up, and loaded if it is a module, and no packet passes.
	for i, kind := range []chaos.Kind{chaos.Drop, chaos.Refuse} {
		chains := program(&chaos.Fault{Kind: kind, Rate: 0.5}, setName(i), byMark)
		for k := range chains {
			chains[k].kind, chains[k].hook = "", nil
		}
		if _, err := t.add(i, chains, nftables.TypeMark, [][]byte{native32(MarkBase)}); err != nil {
			return explain(err)
		}
	}
	return nil
}

// explain turns what the kernel answered into what the reader can do about it.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("engine kernel needs CAP_NET_ADMIN: %w; hint: run as root, or %s", err, withoutPrivilege)
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("engine kernel needs nf_tables with tables that have an owner (Linux 5.12): %w; hint: %s", err, withoutPrivilege)
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("engine kernel misses a part of nf_tables (numgen, socket, reject): %w; hint: load the modules nft_numgen, nft_socket and nft_reject_inet, or %s", err, withoutPrivilege)
	}
	return fmt.Errorf("engine kernel cannot use nf_tables: %w; hint: %s", err, withoutPrivilege)
}

// keyOf is the key of a client in the sets, and their type.
func (e *Engine) keyOf(client int) []byte {
	if e.by == byAddress {
		a := Address(client, e.cfg.Target).As4()
		return a[:]
	}
	return native32(MarkBase + uint32(client))
}

func (e *Engine) keyType() nftables.SetDatatype {
	if e.by == byAddress {
		return nftables.TypeIPAddr
	}
	return nftables.TypeMark
}
