package scenario

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flatline-dev/flatline/chaos"
)

// pathEngines carry out the faults of the network, the cheapest first. kernel costs less than packet, but needs a
// privilege, so it runs only where it is named.
var pathEngines = []string{"stream", "packet", "kernel"}

// needsPackets says what the faults that need IP packets do.
var needsPackets = map[chaos.Kind]string{chaos.Drop: "loses", chaos.Duplicate: "repeats", chaos.Reorder: "reorders", chaos.Corrupt: "damages"}

// engine chooses what carries out the network's faults, and refuses what the engine that was named cannot do.
func (c *checker) engine(p *Plan) {
	var faults []int // those of the network
	for i := range p.Faults {
		if who := chaos.WhoCan(&p.Faults[i]); slices.ContainsFunc(pathEngines, func(e string) bool { return slices.Contains(who, e) }) {
			faults = append(faults, i)
		}
	}
	if n := p.Target.Nodes(); n > 1 && p.Engine != "auto" && p.Engine != "stream" {
		c.report("chaos.engine", "engine: stream, or one node", "engine %s does not know %d nodes", p.Engine, n)
	}
	if p.Engine != "auto" {
		p.PathEngine, p.EngineReason = p.Engine, "the scenario names it"
		for _, i := range faults {
			c.engineCan(p, i)
		}
		c.engineDrain(p)
		return
	}
	reason := "no fault needs more"
	if len(faults) == 0 {
		reason = "no fault touches the network"
	}
	for _, name := range pathEngines {
		first := slices.IndexFunc(faults, func(i int) bool { return !slices.Contains(chaos.WhoCan(&p.Faults[i]), name) })
		if first < 0 {
			p.PathEngine, p.EngineReason = name, reason
			if n := p.Target.Nodes(); n > 1 && name != "stream" {
				c.report(fmt.Sprintf("chaos.faults[%d].fault", faults[0]), "faults that the stream engine can do, or one node", "these faults need engine %s, since %s, and it does not know %d nodes", name, reason, n)
			}
			c.engineDrain(p)
			return
		}
		f := &p.Faults[faults[first]]
		reason = fmt.Sprintf("%s cannot do %s", name, f.Kind)
		if what := needsPackets[f.Kind]; what != "" && name == "stream" {
			reason = fmt.Sprintf("%s %s IP packets", f.Kind, what)
		}
	}
	c.report("chaos", "split the scenario", "no single engine can do all of its faults: %s", reason)
}

// engineCan refuses fault i if the named engine cannot do it.
func (c *checker) engineCan(p *Plan, i int) {
	f := &p.Faults[i]
	who := chaos.WhoCan(f)
	if slices.Contains(who, p.PathEngine) {
		return
	}
	can := slices.DeleteFunc(slices.Clone(who), func(e string) bool { return !slices.Contains(pathEngines, e) })
	hint := "engines that can: " + strings.Join(can, ", ") + "; engine: auto chooses one"
	at := fmt.Sprintf("chaos.faults[%d].fault", i)
	if what := needsPackets[f.Kind]; what != "" && p.PathEngine == "stream" {
		c.report(at, hint, "%s %s IP packets; the stream engine carries bytes, on which TCP has mended that already", f.Kind, what)
		return
	}
	what := string(f.Kind)
	switch {
	case f.Kind == chaos.Kill:
		what += " how " + string(f.How)
	case f.Kind == chaos.Drop && f.Burst > 1:
		what += " in bursts"
	}
	c.report(at, hint, "engine %s cannot do %s", p.PathEngine, what)
}

// engineDrain refuses to drain some of the clients where the server cannot tell them apart.
func (c *checker) engineDrain(p *Plan) {
	if p.PathEngine != "packet" {
		return
	}
	for i := range p.Faults {
		if f := &p.Faults[i]; f.Kind == chaos.Drain && f.Clients != (chaos.Selector{}) {
			c.report(fmt.Sprintf("chaos.faults[%d].clients", i), "clients: all, or an engine other than packet",
				"behind the packet engine's gateway the server cannot tell its clients apart")
		}
	}
}
