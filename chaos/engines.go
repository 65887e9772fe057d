package chaos

import (
	"fmt"
	"slices"
)

// Skill is a kind of fault that an engine carries out.
type Skill struct {
	Kind    Kind
	Hows    []How // which ways of it; nil: every one
	NoBurst bool  // drop: independent losses only
}

// EngineInfo says what an engine is and does. It is data, so that a message about one engine can name the others.
type EngineInfo struct {
	Name   string
	About  string
	Skills []Skill
}

// connKills are the kills that end connections and leave the server alone.
var connKills = []How{RST, FIN, Close}

// Engines are all engines, the cheapest first: a fault goes to the first that can do it unless the scenario names one.
var Engines = []EngineInfo{
	{"stream", "faults on a byte stream, in the client's own connection; no privileges", []Skill{
		{Kind: Blackhole}, {Kind: Delay}, {Kind: Throttle}, {Kind: Kill, Hows: connKills}, {Kind: Refuse}, {Kind: IdleCut}}},
	{"fleet", "faults of the client's device, in the client itself", []Skill{{Kind: Suspend}}},
	{"server", "the embedded reference server", []Skill{{Kind: Drain}, {Kind: Partition}}},
	{"process", "signals to a server process that flatline started or was given", []Skill{
		{Kind: Stall}, {Kind: Kill, Hows: []How{Process}}}},
	{"packet", "faults on IP packets, in a user-space TCP/IP stack; no privileges", []Skill{
		{Kind: Blackhole}, {Kind: Drop}, {Kind: Delay}, {Kind: Throttle}, {Kind: Duplicate}, {Kind: Reorder}, {Kind: Corrupt},
		{Kind: Kill, Hows: connKills}, {Kind: Refuse}, {Kind: IdleCut}}},
	{"kernel", "faults on IP packets in the Linux kernel; needs CAP_NET_ADMIN", []Skill{
		{Kind: Blackhole}, {Kind: Drop, NoBurst: true}, {Kind: Kill, Hows: []How{RST, FIN}}, {Kind: Refuse}}},
}

// Can reports whether the engine's table has the fault's kind and how.
func (e *EngineInfo) Can(f *Fault) bool {
	for _, s := range e.Skills {
		if s.Kind == f.Kind && (s.Hows == nil || slices.Contains(s.Hows, f.Mode())) && !(s.NoBurst && f.Burst > 1) {
			return true
		}
	}
	return false
}

// WhoCan names the engines that can do the fault, the cheapest first.
func WhoCan(f *Fault) []string {
	var names []string
	for i := range Engines {
		if Engines[i].Can(f) {
			names = append(names, Engines[i].Name)
		}
	}
	return names
}

// CannotError is nil when the table says that the named engine can do the fault; otherwise it says who can.
func CannotError(engine string, f *Fault) error {
	who := WhoCan(f)
	if slices.Contains(who, engine) {
		return nil
	}
	what := string(f.Kind)
	if h := f.Mode(); h != "" && (f.Kind == Kill || f.How != "") {
		what += " how " + string(h)
	}
	if len(who) == 0 {
		return fmt.Errorf("engine %s cannot do %s: no engine can", engine, what)
	}
	return fmt.Errorf("engine %s cannot do %s; hint: engine %s can", engine, what, list(who, "or"))
}
