package fleet

import (
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// Of a target of several nodes each client has a path to each. Path number node x clients + client leads from the client to
// the node: an engine that knows paths only is made for nodes x clients of them, told by [Folded] of clients, and asked
// through [Unfolded].

// Folded passes on to o what an engine for the paths of so many clients sees.
func Folded(o chaos.Observer, clients int) chaos.Observer { return folded{o, clients} }

type folded struct {
	o       chaos.Observer
	clients int
}

func (f folded) PathCut(now time.Duration, path, occ int) { f.o.PathCut(now, path%f.clients, occ) }

func (f folded) ZombieBegan(now time.Duration, path int) { f.o.ZombieBegan(now, path%f.clients) }

func (f folded) ZombieEnded(now time.Duration, path int, reaped bool) {
	f.o.ZombieEnded(now, path%f.clients, reaped)
}

// Unfolded is an engine for clients that begins faults in e on their paths to the nodes that a fault names, or to all.
func Unfolded(e chaos.Engine, clients, nodes int) chaos.Engine { return unfolded{e, clients, nodes} }

type unfolded struct {
	chaos.Engine
	clients, nodes int
}

// everywhere is the fault for an engine that knows no nodes.
func everywhere(f *chaos.Fault) *chaos.Fault {
	g := *f
	g.Nodes = nil
	return &g
}

func (u unfolded) Can(f *chaos.Fault) error { return u.Engine.Can(everywhere(f)) }

func (u unfolded) Begin(f *chaos.Fault, o chaos.Occurrence, victims *chaos.Set) error {
	return u.Engine.Begin(everywhere(f), o, u.paths(f, victims))
}

func (u unfolded) End(f *chaos.Fault, o chaos.Occurrence, victims *chaos.Set) error {
	return u.Engine.End(everywhere(f), o, u.paths(f, victims))
}

// paths are the victims' paths to the fault's nodes.
func (u unfolded) paths(f *chaos.Fault, victims *chaos.Set) *chaos.Set {
	out := &chaos.Set{}
	add := func(node int) {
		for i := range victims.All {
			out.Add(node*u.clients + i)
		}
	}
	if len(f.Nodes) == 0 {
		for n := range u.nodes {
			add(n)
		}
		return out
	}
	for _, n := range f.Nodes {
		add(n)
	}
	return out
}
