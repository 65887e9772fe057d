package server

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/flatline-dev/flatline/internal/dialect"
)

// Frames of the server's own beat, and what it replies to a message.
const (
	BeatPing  = "ping"
	BeatText  = "text"
	ReplyEcho = "echo"
	ReplyNone = "none"
)

// Config says how the server behaves. The zero Config is an echo server on a free loopback port without any limit. Its
// words are those of target.serve in a scenario file, and the flags of `flatline serve` ([Config.Flags]).
type Config struct {
	Addr    string // host:port for clients; "" is 127.0.0.1:0
	Control string // host:port of the control API, loopback only; "" is 127.0.0.1:0

	// Dialect names the real server that it plays to clients that do not name one themselves in [dialect.Header]; "": none,
	// Reply and Beat say all. Dialects finds one by its name; nil from it means echo.
	Dialect  string
	Dialects func(name string) (*dialect.Dialect, error)

	Reply      string        // ReplyEcho ("" too) answers a message with itself; ReplyNone stays silent
	Beat       time.Duration // the server beats each client this often, first one Beat after its connect; 0: never
	BeatFrame  string        // BeatPing ("" too) or BeatText
	BeatText   string        // payload of the beat; at most 125 bytes for a ping
	Reap       time.Duration // close a connection that sent no frame at all for this long; 0: never
	ReapClose  bool          // reap with a close frame (1001); false: just close the TCP connection
	Handshakes float64       // handshakes per second; 0: no limit
	Backlog    int           // handshakes that may wait for their slot, further ones get 503; 0: no limit
	MaxClients int           // open connections, further ones get 503; 0: no limit

	// Delivery makes it keep what clients publish until it has reached them, and acknowledge it: docs/delivery.md. What is no
	// frame of that protocol is answered as without it.
	Delivery  bool
	Store     string        // StoreMemory ("" too), which ends with the process, or StoreJetStream
	NATS      string        // StoreJetStream: URL of the NATS server that holds the messages of all nodes
	Stream    string        // StoreJetStream: name of the stream, the same for all nodes; "": flatline
	Retain    time.Duration // a message is kept so long; 0: [session.DefaultRetain]
	Dedup     time.Duration // a message that comes again within so long is acknowledged and not stored again; 0: it is
	Log       string        // file to which it adds a line for each message that it stored, and each lie; "": none
	LogTo     io.Writer     // the same, for tests; not a flag
	DropAcked float64       // share of the messages that it acknowledges and forgets, 0 to 1: it lies, to be found out
	Duplicate float64       // share that it stores twice
	Reorder   float64       // share that it delivers behind the next one

	MaxMessage       int64         // bytes a message may have, a longer one is cut with 1009; 0: 1 MiB
	HandshakeTimeout time.Duration // for TLS and the whole request header; 0: 10 s
	CertFile         string        // PEM certificate chain; with KeyFile: TLS
	KeyFile          string
}

// Flags defines a flag for every field, with the present values as defaults.
func (c *Config) Flags(fs *flag.FlagSet) {
	fs.StringVar(&c.Addr, "listen", c.Addr, "`address` for clients (default 127.0.0.1 and a free port)")
	fs.StringVar(&c.Control, "control", c.Control, "loopback `address` of the control API (default a free port)")
	fs.StringVar(&c.Dialect, "dialect", c.Dialect, "play the server of this `PROFILE` to clients that do not name one (default none)")
	fs.StringVar(&c.Reply, "reply", c.Reply, "what a message is answered with: echo or none (default echo)")
	fs.DurationVar(&c.Beat, "beat", c.Beat, "the server beats each client this often; 0: never")
	fs.StringVar(&c.BeatFrame, "beat-frame", c.BeatFrame, "frame of the beat: ping or text (default ping)")
	fs.StringVar(&c.BeatText, "beat-text", c.BeatText, "payload of the beat")
	fs.DurationVar(&c.Reap, "reap", c.Reap, "close connections that were silent this long; 0: never")
	fs.BoolVar(&c.ReapClose, "reap-close", c.ReapClose, "reap with a close frame instead of closing TCP")
	fs.Float64Var(&c.Handshakes, "handshakes", c.Handshakes, "`rate` of handshakes, per second; 0: no limit")
	fs.IntVar(&c.Backlog, "backlog", c.Backlog, "handshakes that may wait, further ones get 503; 0: no limit")
	fs.IntVar(&c.MaxClients, "max-clients", c.MaxClients, "open connections, further ones get 503; 0: no limit")
	fs.BoolVar(&c.Delivery, "delivery", c.Delivery, "store, acknowledge and deliver what clients publish (docs/delivery.md)")
	fs.StringVar(&c.Store, "store", c.Store, "where messages are kept: memory or jetstream (default memory)")
	fs.StringVar(&c.NATS, "nats", c.NATS, "`URL` of the NATS server, for -store jetstream")
	fs.StringVar(&c.Stream, "stream", c.Stream, "`name` of the stream that nodes share (default flatline)")
	fs.DurationVar(&c.Retain, "retain", c.Retain, "how long messages are kept (default 2m)")
	fs.DurationVar(&c.Dedup, "dedup", c.Dedup, "store a message that comes again within this time only once; 0: every time")
	fs.StringVar(&c.Log, "log", c.Log, "add a line for each message stored, and each lie, to this `file`")
	fs.Float64Var(&c.DropAcked, "drop-acked", c.DropAcked, "acknowledge and forget this `share` of the messages, 0 to 1")
	fs.Float64Var(&c.Duplicate, "duplicate", c.Duplicate, "store this `share` of the messages twice, 0 to 1")
	fs.Float64Var(&c.Reorder, "reorder", c.Reorder, "deliver this `share` of the messages behind the next, 0 to 1")
	fs.Int64Var(&c.MaxMessage, "max-message", c.MaxMessage, "`bytes` a message may have (default 1 MiB)")
	fs.DurationVar(&c.HandshakeTimeout, "handshake-timeout", c.HandshakeTimeout, "limit for a client's request (default 10s)")
	fs.StringVar(&c.CertFile, "tls-cert", c.CertFile, "PEM `file` with the certificate: serve wss://")
	fs.StringVar(&c.KeyFile, "tls-key", c.KeyFile, "PEM `file` with the certificate's key")
}

// Args returns the flags that make [Config.Flags] produce c again, leaving out those at their zero value.
func (c *Config) Args() []string {
	var zero, all Config
	all = *c
	was, is := flag.NewFlagSet("", flag.ContinueOnError), flag.NewFlagSet("", flag.ContinueOnError)
	zero.Flags(was)
	all.Flags(is)
	var args []string
	is.VisitAll(func(f *flag.Flag) {
		if v := f.Value.String(); v != was.Lookup(f.Name).Value.String() {
			args = append(args, "-"+f.Name+"="+v)
		}
	})
	return args
}

// Check returns everything that is wrong with c, one mistake a line, or nil.
func (c Config) Check() error {
	_, err := c.filled()
	return err
}

// filled returns c with its defaults, or everything that is wrong with it.
func (c Config) filled() (Config, error) {
	set := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	set(&c.Addr, "127.0.0.1:0")
	set(&c.Control, "127.0.0.1:0")
	set(&c.Reply, ReplyEcho)
	set(&c.BeatFrame, BeatPing)
	if c.MaxMessage == 0 {
		c.MaxMessage = 1 << 20
	}
	if c.HandshakeTimeout == 0 {
		c.HandshakeTimeout = 10 * time.Second
	}

	var errs []error
	bad := func(is bool, format string, args ...any) {
		if is {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	if c.Dialect != "" {
		_, err := c.speak(c.Dialect)
		bad(err != nil, "%v", err)
	}
	bad(c.Reply != ReplyEcho && c.Reply != ReplyNone, "reply: %q is neither echo nor none", c.Reply)
	bad(c.BeatFrame != BeatPing && c.BeatFrame != BeatText, "beat-frame: %q is neither ping nor text", c.BeatFrame)
	bad(c.BeatFrame == BeatPing && len(c.BeatText) > 125, "beat-text: %d bytes do not fit a ping frame, which holds 125", len(c.BeatText))
	bad(c.Beat < 0, "beat: %v is negative", c.Beat)
	bad(c.Reap < 0, "reap: %v is negative", c.Reap)
	bad(c.HandshakeTimeout < 0, "handshake-timeout: %v is negative", c.HandshakeTimeout)
	bad(!(c.Handshakes >= 0 && c.Handshakes <= 1e6), "handshakes: %v per second is not within 0 and 1000000", c.Handshakes)
	bad(c.Backlog < 0, "backlog: %d is negative", c.Backlog)
	bad(c.Backlog > 0 && c.Handshakes == 0, "backlog: nothing ever waits without a limit of handshakes per second\nhint: set handshakes too")
	bad(c.MaxClients < 0, "max-clients: %d is negative", c.MaxClients)
	bad(c.MaxMessage < 0, "max-message: %d is negative", c.MaxMessage)
	c.checkDelivery(bad)
	bad((c.CertFile == "") != (c.KeyFile == ""), "tls-cert and tls-key: one is missing")
	bad(!loopback(c.Control), "control: %q is not a loopback address; whoever reaches it can shut the server down", c.Control)
	return c, errors.Join(errs...)
}

// checkDelivery checks, and fills in, what belongs to Delivery.
func (c *Config) checkDelivery(bad func(is bool, format string, args ...any)) {
	if !c.Delivery {
		for _, x := range []struct {
			name string
			is   bool
		}{{"store", c.Store != ""}, {"nats", c.NATS != ""}, {"stream", c.Stream != ""}, {"retain", c.Retain != 0}, {"dedup", c.Dedup != 0}, {"log", c.Log != "" || c.LogTo != nil},
			{"drop-acked", c.DropAcked != 0}, {"duplicate", c.Duplicate != 0}, {"reorder", c.Reorder != 0}} {
			bad(x.is, "%s: it belongs to delivery\nhint: set delivery too", x.name)
		}
		return
	}
	if c.Store == "" {
		c.Store = StoreMemory
	}
	bad(c.Store != StoreMemory && c.Store != StoreJetStream, "store: %q is neither memory nor jetstream", c.Store)
	bad(c.Store == StoreJetStream && c.NATS == "", "store: jetstream needs the URL of a NATS server\nhint: set nats too")
	bad(c.Store != StoreJetStream && c.Stream != "", "stream: a store in memory has none\nhint: set store to jetstream")
	if c.Store == StoreJetStream && c.Stream == "" {
		c.Stream = "flatline"
	}
	bad(strings.ContainsAny(c.Stream, ".*> \t\r\n/\\"), "stream: %q cannot name a stream", c.Stream)
	bad(c.Store != StoreJetStream && c.NATS != "", "nats: a store in memory has none\nhint: set store to jetstream")
	bad(c.Retain < 0, "retain: %v is negative", c.Retain)
	bad(c.Dedup < 0, "dedup: %v is negative", c.Dedup)
	bad(c.Duplicate > 0 && c.Dedup > 0, "duplicate: with dedup nothing is stored twice")
	for _, s := range []struct {
		name  string
		share float64
	}{{"drop-acked", c.DropAcked}, {"duplicate", c.Duplicate}, {"reorder", c.Reorder}} {
		bad(!(s.share >= 0 && s.share <= 1), "%s: %v is not a share from 0 to 1", s.name, s.share)
	}
}

// speak finds a dialect by its name.
func (c *Config) speak(name string) (*dialect.Dialect, error) {
	if c.Dialects == nil {
		return nil, fmt.Errorf("dialect %q: this server knows none", name)
	}
	return c.Dialects(name)
}

func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
