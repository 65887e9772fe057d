package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// fault resolves the fault at path.
func (c *checker) fault(path string, w *FileFault, target *Target) chaos.Fault {
	w = c.like(path, w)
	duration := func(d *Duration) time.Duration { return time.Duration(value(d, 0)) }
	how := value(w.How, How{})
	f := chaos.Fault{
		Name: w.Name, Kind: chaos.Kind(w.Kind), At: duration(w.At), For: duration(w.For), Every: duration(w.Every),
		Times: value(w.Times, 0), Clients: chaos.Selector(value(w.Clients, Selector{})), Nodes: w.Nodes,
		Direction: chaos.Direction(w.Direction), How: how.How, Code: value(w.Code, how.Code), Restart: duration(w.Restart),
		By: duration(w.By), Jitter: duration(w.Jitter), Distribution: chaos.Distribution(w.Distribution), Burst: value(w.Burst, 0), After: duration(w.After),
		Notice: value(w.Notice, ""), Grace: duration(w.Grace), Spread: duration(w.Spread), Grid: duration(w.Grid),
	}
	at := func(key string) string { return join(path, key) }
	if f.Kind == "" {
		return f // reported already, and nothing more can be said about it
	}
	if how.Code != 0 && w.Code != nil && *w.Code != how.Code {
		c.report(at("code"), "", "code %d contradicts how: close(%d)", *w.Code, how.Code)
	}
	if w.Rate != nil {
		c.rate(at("rate"), w.Rate.Text, &f)
	}
	c.faultDefaults(&f)
	bad := f.Validate()
	for _, p := range bad {
		if p.Field == "clients" && target.Nodes() == 1 {
			p.Hint = strings.TrimSuffix(p.Hint, ", or choose nodes")
		}
		text := p.Field + ": " + p.Msg
		if strings.HasPrefix(p.Msg, "missing") {
			c.report(at(p.Field), p.Hint, "missing key %q: a fault of kind %s needs it", p.Field, f.Kind)
			continue
		}
		c.reportKey(at(p.Field), p.Hint, "%s", text)
	}
	for _, zero := range []struct {
		key string
		d   *Duration
	}{{"for", w.For}, {"every", w.Every}, {"after", w.After}, {"by", w.By}, {"grid", w.Grid}} {
		if zero.d != nil && *zero.d == 0 {
			c.report(at(zero.key), "leave it out, or give it a length", "%s 0s has no effect", zero.key)
		}
	}
	if f.Name != "" && !isName(f.Name) {
		c.report(at("name"), nameHint, "name %q cannot name a fault", f.Name)
	}
	c.faultTarget(path, &f, target)
	return f
}

const nameHint = "a letter, then letters, digits, - _ and dots; none of: all, of, by, in, during, baseline, recovery, any, auto"

// rate reads the fault's rate, whose unit depends on the kind.
func (c *checker) rate(path, text string, f *chaos.Fault) {
	read := parseShare
	if f.Kind == chaos.Throttle {
		read = parseBandwidth
	}
	v, err := read(text)
	if err != nil {
		c.report(path, hintOf(err), "rate: %v", err)
		return
	}
	if f.Rate = v; v == 0 {
		c.report(path, "leave the fault out, or for no bytes at all use blackhole", "rate %s has no effect", text)
	}
}

// faultDefaults fills in what the plan shows, so that a resolved fault says all it does.
func (c *checker) faultDefaults(f *chaos.Fault) {
	f.How = f.Mode()
	switch {
	case f.Kind == chaos.Kill && f.How == chaos.Close && f.Code == 0:
		f.Code = 1012
	case f.Kind == chaos.Drain && f.Code == 0:
		f.Code = 1001
	case f.Kind == chaos.Suspend && f.How == chaos.Timers && f.Grid == 0:
		f.Grid = time.Minute // what Chromium does to a page in the background ("intensive throttling")
	}
}

// faultTarget refuses a fault that nothing at this target can do.
func (c *checker) faultTarget(path string, f *chaos.Fault, target *Target) {
	at := join(path, "fault")
	if !c.clean("target") {
		return
	}
	for i, n := range f.Nodes {
		switch nodes := target.Nodes(); {
		case nodes == 1 && i == 0:
			c.reportKey(join(path, "nodes"), "target: {serve: {nodes: 3}}, or a list of urls", "the target has one node only")
		case nodes > 1 && n >= nodes:
			c.report(fmt.Sprintf("%s[%d]", join(path, "nodes"), i), fmt.Sprintf("nodes are 0 to %d", nodes-1), "the target has no node %d", n)
		case slices.Index(f.Nodes, n) < i:
			c.report(fmt.Sprintf("%s[%d]", join(path, "nodes"), i), "", "node %d stands twice", n)
		}
	}
	if strings.Contains(f.Notice, chaos.NodeWord) && (len(f.Nodes) == 0 || len(f.Nodes) >= target.Nodes()) {
		c.report(join(path, "notice"), "nodes: [0], of several", "the notice names a node that is not drained, and there is none")
	}
	process := target.Serve != nil || len(target.Command) > 0 || target.PID != 0
	switch {
	case f.Kind == chaos.Stall && !process:
		c.report(at, "let flatline run it (target: {serve: {}} or command: [...]), or name it: pid: 4711", "a stall stops the server's process, and target shows none")
	case f.Kind == chaos.Kill && f.How == chaos.Process && !process:
		c.report(join(path, "how"), "let flatline run it (target: {serve: {}} or command: [...]), or name it: pid: 4711", "how process kills the server's process, and target shows none")
	case f.Kind == chaos.Kill && f.How == chaos.Process && target.PID != 0:
		c.report(join(path, "how"), "use target: {command: [...], url: ...}, so that flatline can start it again", "how process kills pid %d, which flatline did not start and cannot start again", target.PID)
	case f.Kind == chaos.Partition && (target.Serve == nil || target.Serve.Delivery == nil || target.Serve.Delivery.Store != "jetstream"):
		c.report(at, "target: {serve: {nodes: 3, delivery: {}}}", "a partition cuts nodes of the embedded server off from the store that they share, and this target shares none")
	case f.Kind == chaos.Drain && target.Serve == nil:
		c.report(at, "target: {serve: {}}; or kill how: close(1001) for the close frames alone", "a drain is done by the embedded server, and target has no serve")
	}
}

// nameFaults gives each fault that has none its kind as name, with a number behind it where there are several of the
// kind, and reports names that are used twice.
func (c *checker) nameFaults(faults []chaos.Fault) {
	count, number := map[chaos.Kind]int{}, map[chaos.Kind]int{}
	taken := map[string]int{}
	for i := range faults {
		if f := &faults[i]; f.Name == "" {
			count[f.Kind]++
		}
	}
	for i := range faults {
		f := &faults[i]
		if f.Name == "" {
			number[f.Kind]++
			f.Name = string(f.Kind)
			if count[f.Kind] > 1 {
				f.Name += strconv.Itoa(number[f.Kind])
			}
		}
		if first, again := taken[f.Name]; again && f.Kind != "" {
			c.report(fmt.Sprintf("chaos.faults[%d].name", i), fmt.Sprintf("fault %d has it already", first+1), "two faults are called %q", f.Name)
			continue
		}
		taken[f.Name] = i
	}
}
