package scenario

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// FileTraffic is what the clients of a group publish and receive, as written.
type FileTraffic struct {
	Rate        *Rate        `yaml:"rate" doc:"Messages per second that each client publishes." default:"none: the clients only receive"`
	Arrivals    string       `yaml:"arrivals" enum:"constant,poisson,bursts" doc:"When messages come due: at a fixed distance, independent of each other, or burst at once and as seldom as the rate wants." default:"constant"`
	Burst       *int         `yaml:"burst" min:"2" max:"10000" doc:"arrivals bursts: messages at once." default:"10"`
	Size        *int         `yaml:"size" min:"1" max:"1000000" doc:"Bytes of a message; uniform: the smallest, lognormal: the median. A message is never shorter than its format." default:"64"`
	Sizes       string       `yaml:"sizes" enum:"fixed,uniform,lognormal" doc:"Distribution of the sizes." default:"fixed"`
	SizeMax     *int         `yaml:"size_max" min:"1" max:"1000000" doc:"sizes uniform and lognormal: the largest size in bytes." default:"16 x size"`
	Sigma       *float64     `yaml:"sigma" min:"0" max:"10" doc:"sizes lognormal: standard deviation of the logarithm." default:"1"`
	From        string       `yaml:"from" enum:"client,server" doc:"Who publishes: each client, or the service behind the server, which hands it a stream for each client (target.publish); the clients then only receive." default:"client"`
	To          string       `yaml:"to" doc:"self: back to the client; server: no further than the server; #room: all clients whose join names the room." default:"self"`
	Join        string       `yaml:"join" doc:"Room that the clients join on each connection." default:"none"`
	Mode        string       `yaml:"mode" enum:"at-most-once,at-least-once,effectively-once" doc:"at-most-once: nothing is sent again, and what is due without a connection is lost; at-least-once: a message waits for its acknowledgement and is sent again; effectively-once: as that, and duplicates are dropped." default:"at-most-once"`
	Protocol    string       `yaml:"protocol" enum:"echo,delivery" doc:"Which formats are the default: those for any server that echoes, where the message that comes back is delivery and acknowledgement; or those of docs/delivery.md." default:"echo"`
	Retransmit  *Duration    `yaml:"retransmit" doc:"Send again what was not acknowledged for so long; 0s: never by time." default:"5s"`
	OnReconnect *bool        `yaml:"on_reconnect" doc:"Send again on each new connection what was not acknowledged." default:"true"`
	Resume      *bool        `yaml:"resume" doc:"Tell the server in the opening which message was the last that arrived." default:"true, but for at-most-once"`
	Window      *int         `yaml:"window" min:"1" max:"1000000" doc:"effectively-once: how many numbers of a publisher back a duplicate is known." default:"1000"`
	Queue       *int         `yaml:"queue" min:"1" max:"1000000" doc:"Messages of a client that may wait for their acknowledgement; one more and the oldest is given up." default:"10000"`
	Got         *int         `yaml:"got" min:"0" max:"1000000" doc:"Tell the server after so many deliveries what has arrived; 0: never." default:"0 without a format for it, 10 with one; never at-most-once"`
	Frame       string       `yaml:"frame" enum:"text,binary" doc:"Frame of all that the client says of its traffic." default:"text"`
	Start       *Duration    `yaml:"start" doc:"No message is due before." default:"when the last client of all groups begins to connect"`
	Drain       *Duration    `yaml:"drain" doc:"The last messages are due so long before the end of the run; what has not arrived by then is lost." default:"10s"`
	Formats     *FileFormats `yaml:"formats" doc:"Texts of the frames. An empty one is not sent, or not awaited."`
}

// FileFormats are the texts of frames as written. See [heartbeat.Format].
type FileFormats struct {
	Hello   *string `yaml:"hello" doc:"Client, on each connection: {{.Client}}, {{.Last}} (position of the last delivery, - without resume), {{.Room}}."`
	Welcome *string `yaml:"welcome" doc:"Server, awaited before anything is published but at-most-once: {{.Client}}, {{.Seen}} (all up to this number are stored)."`
	Join    *string `yaml:"join" doc:"Client, after hello: {{.Client}}, {{.Room}}."`
	Publish *string `yaml:"publish" doc:"Client: {{.Client}}, {{.Seq}}, {{.Sent}} (when it was due, in microseconds of the run), {{.To}}, {{.Pad}} (filler)."`
	Ack     *string `yaml:"ack" doc:"Server: {{.Client}}, {{.Seq}}. Without one, a message that comes back to its publisher is its acknowledgement."`
	Message *string `yaml:"message" doc:"Server: {{.Pos}} (position in what this client receives, from 1), {{.Prev}} (the position before it; without it positions have no gaps), {{.From}} or {{.Client}}, {{.Seq}}, {{.Sent}}, {{.To}}, {{.Pad}}."`
	Got     *string `yaml:"got" doc:"Client: {{.Client}}, {{.Pos}} (all up to this position arrived)."`
}

const (
	defaultDrain = 10 * time.Second
	maxRate      = 10_000 // messages per second and client
	echoProtocol = "echo"
	fromServer   = "server"
)

var (
	arrivals = []string{heartbeat.Constant: "constant", heartbeat.Poisson: "poisson", heartbeat.Bursts: "bursts"}
	sizes    = []string{heartbeat.FixedSize: "fixed", heartbeat.UniformSize: "uniform", heartbeat.LogNormal: "lognormal"}
	modes    = []string{heartbeat.AtMostOnce: "at-most-once", heartbeat.AtLeastOnce: "at-least-once", heartbeat.EffectivelyOnce: "effectively-once"}
)

// format is one of the texts: where it stands, what it may hold and must, and what it is by default.
type format struct {
	key            string
	allowed, needs []string
	echo, delivery string
	written        func(*FileFormats) **string
	resolved       func(*heartbeat.Traffic) **heartbeat.Format
	read           bool // by the client, from the server
}

const publishFormat = "pub {{.Client}} {{.Seq}} {{.Sent}} {{.To}} {{.Pad}}"

var trafficFormats = []format{
	{"hello", []string{"Client", "Last", "Room"}, nil, "", "hello {{.Client}} {{.Last}}",
		func(f *FileFormats) **string { return &f.Hello }, func(t *heartbeat.Traffic) **heartbeat.Format { return &t.Hello }, false},
	{"welcome", []string{"Client", "Seen"}, []string{"Seen"}, "", "welcome {{.Client}} {{.Seen}}",
		func(f *FileFormats) **string { return &f.Welcome }, func(t *heartbeat.Traffic) **heartbeat.Format { return &t.Welcome }, true},
	{"join", []string{"Client", "Room"}, []string{"Room"}, "", "join {{.Room}}",
		func(f *FileFormats) **string { return &f.Join }, func(t *heartbeat.Traffic) **heartbeat.Format { return &t.JoinRoom }, false},
	{"publish", []string{"Client", "Seq", "Sent", "To", "Pad"}, []string{"Client", "Seq", "Sent"}, publishFormat, publishFormat,
		func(f *FileFormats) **string { return &f.Publish }, func(t *heartbeat.Traffic) **heartbeat.Format { return &t.Publish }, false},
	{"ack", []string{"Client", "Seq"}, []string{"Seq"}, "", "ack {{.Client}} {{.Seq}}",
		func(f *FileFormats) **string { return &f.Ack }, func(t *heartbeat.Traffic) **heartbeat.Format { return &t.Ack }, true},
	{"message", []string{"Pos", "Prev", "From", "Client", "Seq", "Sent", "To", "Pad"}, []string{"Seq", "Sent"}, publishFormat, "msg {{.Pos}} {{.Prev}} {{.From}} {{.Seq}} {{.Sent}} {{.Pad}}",
		func(f *FileFormats) **string { return &f.Message }, func(t *heartbeat.Traffic) **heartbeat.Format { return &t.Message }, true},
	{"got", []string{"Client", "Pos"}, []string{"Pos"}, "", "got {{.Pos}}",
		func(f *FileFormats) **string { return &f.Got }, func(t *heartbeat.Traffic) **heartbeat.Format { return &t.Got }, false},
}

// traffic resolves the traffic of all groups; the run's length and the ramps are known.
func (c *checker) traffic(f *File, p *Plan) {
	var ramps time.Duration
	joined := map[string]bool{}
	for i := range p.Groups {
		ramps = max(ramps, p.Groups[i].Delay+p.Groups[i].Ramp)
		if w := f.Clients[i].Traffic; w != nil && w.Join != "" {
			joined["#"+w.Join] = true
		}
	}
	c.publisher(f.Target.Publish, slices.ContainsFunc(f.Clients, func(g FileGroup) bool { return g.Traffic != nil && g.Traffic.From == fromServer }), &p.Target)
	for i := range p.Groups {
		w := f.Clients[i].Traffic
		if w == nil {
			continue
		}
		path := fmt.Sprintf("clients[%d].traffic", i)
		if c.clean(path) {
			p.Groups[i].Traffic = c.groupTraffic(path, w, p, &p.Groups[i], ramps, joined)
		}
	}
}

func (c *checker) groupTraffic(path string, w *FileTraffic, p *Plan, g *Group, ramps time.Duration, joined map[string]bool) *heartbeat.Traffic {
	at := func(key string) string { return join(path, key) }
	t := &heartbeat.Traffic{Rate: float64(value(w.Rate, 0)), Process: heartbeat.ArrivalKind(wordIndex(arrivals, w.Arrivals)),
		Sizes: heartbeat.SizeKind(wordIndex(sizes, w.Sizes)), Size: value(w.Size, 64), Mode: heartbeat.Mode(wordIndex(modes, w.Mode)),
		FromServer: w.From == fromServer, Join: w.Join, Frame: frameOf(w.Frame), Start: time.Duration(value(w.Start, Duration(ramps)))}
	if w.Rate == nil && w.Join == "" {
		c.report(path, "rate: 1/s; or join: lobby, for clients that only receive", "traffic neither publishes nor receives")
	}
	if t.Rate > maxRate {
		c.report(at("rate"), fmt.Sprintf("at most %d/s and client", maxRate), "rate %s is too high", formatRate(t.Rate))
	}
	c.only(at("burst"), t.Process == heartbeat.Bursts, w.Burst != nil, "arrivals: bursts")
	if t.Process == heartbeat.Bursts {
		t.Burst = value(w.Burst, 10)
	}
	c.only(at("size_max"), t.Sizes != heartbeat.FixedSize, w.SizeMax != nil, "sizes: uniform or lognormal")
	c.only(at("sigma"), t.Sizes == heartbeat.LogNormal, w.Sigma != nil, "sizes: lognormal")
	if t.Sizes != heartbeat.FixedSize {
		if t.SizeMax = value(w.SizeMax, min(16*t.Size, 1_000_000)); t.SizeMax < t.Size {
			c.report(at("size_max"), "", "size_max %d is below size %d", t.SizeMax, t.Size)
		}
	}
	if t.Sizes == heartbeat.LogNormal {
		t.Sigma = value(w.Sigma, 1)
	}
	c.repeats(path, w, t)
	delivery := w.Protocol != "" && w.Protocol != echoProtocol
	c.formats(path, w, t, delivery)
	c.destination(path, w, p, g, t, delivery, joined)

	c.fromServer(path, w, p, t)
	drain := time.Duration(value(w.Drain, Duration(defaultDrain)))
	if t.Stop = p.Duration - drain; w.Rate != nil && c.clean("duration") && t.Stop <= t.Start {
		key := "drain"
		if w.Start != nil {
			key = "start"
		}
		c.report(at(key), "a longer duration, a shorter drain, or an earlier start", "no message is ever due: traffic starts at %s, and %s before the end of the run at %s it stops",
			chaos.FormatDuration(t.Start), chaos.FormatDuration(drain), chaos.FormatDuration(p.Duration))
	}
	return t
}

// only reports a key that means nothing without another.
func (c *checker) only(path string, ok, given bool, with string) {
	if given && !ok {
		c.reportKey(path, with, "%s belongs to %s", lastKey(path), with)
	}
}

// repeats resolves what a mode says about sending again.
func (c *checker) repeats(path string, w *FileTraffic, t *heartbeat.Traffic) {
	at := func(key string) string { return join(path, key) }
	again := t.Mode != heartbeat.AtMostOnce
	c.only(at("retransmit"), again, w.Retransmit != nil, "mode: at-least-once or effectively-once")
	c.only(at("on_reconnect"), again, w.OnReconnect != nil, "mode: at-least-once or effectively-once")
	c.only(at("resume"), again, w.Resume != nil, "mode: at-least-once or effectively-once")
	c.only(at("queue"), again, w.Queue != nil, "mode: at-least-once or effectively-once")
	c.only(at("got"), again, w.Got != nil, "mode: at-least-once or effectively-once")
	c.only(at("window"), t.Mode == heartbeat.EffectivelyOnce, w.Window != nil, "mode: effectively-once")
	if !again {
		return
	}
	t.Retransmit, t.OnReconnect, t.Resume = time.Duration(value(w.Retransmit, Duration(5*time.Second))), value(w.OnReconnect, true), value(w.Resume, true)
	t.Queue = value(w.Queue, 10_000)
	if t.Mode == heartbeat.EffectivelyOnce {
		t.Window = value(w.Window, 1000)
	}
	if t.Retransmit == 0 && (!t.OnReconnect || t.FromServer) {
		c.report(at("retransmit"), "mode: at-most-once, if nothing is meant to be sent again", "nothing would ever be sent again: neither after a time nor on a new connection")
	}
}

func (c *checker) formats(path string, w *FileTraffic, t *heartbeat.Traffic, delivery bool) {
	var given FileFormats
	if w.Formats != nil {
		given = *w.Formats
	}
	for _, f := range trafficFormats {
		at := join(join(path, "formats"), f.key)
		text := f.echo
		if delivery {
			text = f.delivery
		}
		if delivery && w.Join != "" && given.Hello == nil && given.Join == nil { // one frame says it all: see docs/delivery.md
			switch f.key {
			case "hello":
				text += " {{.Room}}"
			case "join":
				text = ""
			}
		}
		if s := *f.written(&given); s != nil {
			text = *s
		}
		if text == "" {
			if f.key == "publish" || f.key == "message" {
				c.report(at, "leave the key out for the default", "%s cannot be empty", f.key)
			}
			continue
		}
		format, err := heartbeat.ParseFormat(text, f.allowed...)
		if err != nil {
			c.report(at, "", "%s: %v", f.key, err)
			continue
		}
		if twice := format.Twice(); twice != "" && f.read {
			c.report(at, "", "{{.%s}} stands twice in what is read", twice)
		}
		for _, need := range f.needs {
			if !format.Has(need) {
				c.report(at, "add {{."+need+"}}", "%s has no {{.%s}}", f.key, need)
			}
		}
		if f.key == "message" && !format.Has("From") && !format.Has("Client") {
			c.report(at, "add {{.From}}, or {{.Client}} for an echo", "message does not say who published")
		}
		*f.resolved(t) = format
	}
	if t.GotEvery = value(w.Got, 10); t.Got == nil || t.Mode == heartbeat.AtMostOnce {
		t.GotEvery = 0
	}
	if value(w.Got, 0) > 0 && t.Got == nil {
		c.report(join(path, "got"), "protocol: delivery, or formats: {got: ...}", "got has no format to say it in")
	}
}

// destination resolves to and join, and checks that the server can do it.
func (c *checker) destination(path string, w *FileTraffic, p *Plan, g *Group, t *heartbeat.Traffic, delivery bool, joined map[string]bool) {
	at := func(key string) string { return join(path, key) }
	if w.Join != "" && !isName(w.Join) {
		c.report(at("join"), nameHint, "join %q cannot name a room", w.Join)
	}
	if w.Join != "" && t.JoinRoom == nil && !(t.Hello != nil && t.Hello.Has("Room")) {
		c.report(at("join"), "protocol: delivery, or formats: {join: ...}", "join has no format to say it in")
	}
	switch room, isRoom := strings.CutPrefix(w.To, "#"); {
	case isRoom && !isName(room):
		c.report(at("to"), nameHint, "to %q cannot name a room", w.To)
	case isRoom && !joined[w.To]:
		c.report(at("to"), "join: "+room+", in the traffic of the group that is meant to receive", "nobody joins the room %s", w.To)
	case isRoom && !t.Message.Has("From") && !t.FromServer:
		c.report(at("to"), "protocol: delivery, or formats: {message: ...} with {{.From}}", "an echo reaches its publisher only, not a room")
	case isRoom:
		t.To = w.To
	case w.To == "server":
		t.To = "-"
		if t.Ack == nil { // the echo is the server's word that it has it
			t.Ack = t.Message
		}
	case w.To != "" && w.To != "self":
		c.report(at("to"), didYouMean(w.To, []string{"self", "server", "#room"}), "to %q is no destination", w.To)
	}
	s := p.Target.Serve
	switch {
	case s == nil || !c.clean("target"):
	case delivery && s.Delivery == nil:
		c.report(at("protocol"), "target: {serve: {delivery: {}}}; or protocol: echo", "the embedded server does not deliver, it echoes")
	case delivery:
	case s.Delivery != nil && t.Message != nil && t.Message.Equal(t.Publish):
		c.report(path, "protocol: delivery; or leave target.serve.delivery out", "the embedded server takes what this group publishes as its own protocol, and does not echo it")
	case s.Reply == "none":
		c.report(path, "target: {serve: {reply: echo}}", "the embedded server answers nothing, so nothing would ever arrive")
	case g.Dialect != "":
		c.report(path, "dialect: echo", "the embedded server talks to this group as that of %s, and does not echo", g.Dialect)
	}
}

// wordIndex is the place of a word that the decoder has checked; the first for none.
func wordIndex(words []string, s string) int { return max(slices.Index(words, s), 0) }

// Receivers are the clients that each message of the client is owed to, ascending; none where it goes to the server only
// or the client publishes nothing.
func (p *Plan) Receivers(client int) []int32 {
	t := p.GroupOf(client).Traffic
	switch {
	case t == nil || t.Rate <= 0 || t.To == "-":
		return nil
	case t.Self():
		return []int32{int32(client)}
	}
	return p.room(strings.TrimPrefix(t.To, "#"))
}

// room lists who joins it.
func (p *Plan) room(name string) (members []int32) {
	for i := range p.Groups {
		if g := &p.Groups[i]; g.Traffic != nil && g.Traffic.Join == name {
			for k := range g.Count {
				members = append(members, int32(g.First+k))
			}
		}
	}
	return members
}

// Carries reports whether any client publishes.
func (p *Plan) Carries() bool {
	return slices.ContainsFunc(p.Groups, func(g Group) bool { return g.Traffic != nil && g.Traffic.Rate > 0 })
}

// TrafficRand is the random source of the client's messages. It is another one than [Plan.Rand], so that traffic changes no
// delay of a client.
func (p *Plan) TrafficRand(client int) rand.PCG {
	return *rand.NewPCG(p.Seed^0x9e3779b97f4a7c15, uint64(client))
}

// trafficWritten is the inverse of groupTraffic.
func (p *Plan) trafficWritten(t *heartbeat.Traffic) *FileTraffic {
	if t == nil {
		return nil
	}
	w := &FileTraffic{Rate: some(Rate(t.Rate)), Arrivals: arrivals[t.Process], Burst: some(t.Burst), Size: &t.Size, Sizes: sizes[t.Sizes],
		SizeMax: some(t.SizeMax), To: t.To, Join: t.Join, Mode: modes[t.Mode], Frame: frames[t.Frame],
		Start: ptr(Duration(t.Start)), Drain: ptr(Duration(p.Duration - t.Stop)), Formats: &FileFormats{}}
	switch t.To {
	case "":
		w.To = "self"
	case "-":
		w.To = "server"
	}
	if t.FromServer {
		w.From = fromServer
	}
	if t.Sizes == heartbeat.LogNormal {
		w.Sigma = &t.Sigma
	}
	if t.Mode != heartbeat.AtMostOnce {
		w.Retransmit, w.OnReconnect, w.Resume, w.Queue = ptr(Duration(t.Retransmit)), &t.OnReconnect, &t.Resume, &t.Queue
		if t.FromServer {
			w.OnReconnect = nil
		}
		if t.Got != nil {
			w.Got = &t.GotEvery
		}
	}
	w.Window = some(t.Window)
	for _, f := range trafficFormats {
		text := ""
		if x := *f.resolved(t); x != nil {
			text = x.String()
		}
		if text != f.echo {
			*f.written(w.Formats) = &text
		}
	}
	if t.To == "-" && t.Ack == t.Message {
		w.Formats.Ack = nil
	}
	if *w.Formats == (FileFormats{}) {
		w.Formats = nil
	}
	return w
}

// describeTraffic says in a line what a group publishes and receives.
func describeTraffic(t *heartbeat.Traffic) string {
	var parts []string
	if t.Rate > 0 {
		to := map[string]string{"": "itself", "-": "the server"}[t.To]
		switch {
		case t.FromServer && to != "":
			to = "each client, from the server"
		case t.FromServer:
			to = t.To + ", from the server for each client"
		case to == "":
			to = t.To
		}
		size := plural(t.Size, "byte", "bytes")
		switch t.Sizes {
		case heartbeat.UniformSize:
			size = fmt.Sprintf("%d to %d bytes", t.Size, t.SizeMax)
		case heartbeat.LogNormal:
			size = fmt.Sprintf("lognormal sizes around %d bytes, at most %d", t.Size, t.SizeMax)
		}
		how := arrivals[t.Process]
		if t.Process == heartbeat.Bursts {
			how = fmt.Sprintf("in bursts of %d", t.Burst)
		}
		parts = append(parts, fmt.Sprintf("%s (%s) to %s, %s, %s, from %s to %s", formatRate(t.Rate), how, to, modes[t.Mode], size,
			chaos.FormatDuration(t.Start), chaos.FormatDuration(t.Stop)))
	}
	if t.Join != "" {
		parts = append(parts, "joins #"+t.Join)
	}
	return strings.Join(parts, "; ")
}
