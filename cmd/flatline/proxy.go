package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/flatline-dev/flatline/internal/proxy"
)

// defaultAPI is where the control API of a proxy is, unless told otherwise.
const defaultAPI = "127.0.0.1:8475"

type proxyFlags struct {
	listen, target, api, key string
	cert, certKey, ca        string
	insecure                 bool
	connections              int
	duration                 time.Duration
	seed                     uint64
	wait, learn, quiet       bool
	output                   outputFlags
}

func (a *app) proxyCommand() *cobra.Command {
	var f proxyFlags
	cmd := &cobra.Command{
		Use:   "proxy --listen ADDR --target URL [SCENARIO]",
		Short: "put the faults in front of any target, and measure clients that are not flatline's",
		Long: `Proxy accepts clients, dials the target for each, passes bytes between them, and carries out faults
in between: those of a SCENARIO, at their times, and those that flatline ctl starts by hand. Of the
scenario it takes chaos and seed. It measures from outside: how long until a client shows that it
has noticed, how hard they come back, who beats how often, who stays behind.

A ws:// target is read in passing, a wss:// target is passed through encrypted unless --tls-cert
takes TLS off. The first interrupt ends every fault and prints the report; --learn adds the
clients as a profile for a scenario. docs/proxy.md has the rest.

Exit code 0: it ended after --duration. 2: the scenario or the command line is wrong. 3: it could
not run. 130: interrupted; the report is printed all the same.`,
		Args: atMostOneScenario,
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := f.config(a, cmd, args)
			if err != nil {
				return err
			}
			return a.proxy(cmd.Context(), &f, config)
		},
		ValidArgsFunction: scenarioFiles,
	}
	fs := cmd.Flags()
	fs.StringVar(&f.listen, "listen", "", "accept clients on this `ADDR`: 9000 is 127.0.0.1:9000")
	fs.StringVar(&f.target, "target", "", "`URL` of what stands behind: ws://, wss:// or tcp://, with the clients' own paths")
	fs.StringVar(&f.api, "api", defaultAPI, "loopback `ADDR` of the control API; none for none")
	fs.StringVar(&f.key, "client-key", "auto", "tell clients apart `BY` address, connection, header:NAME, query:NAME or cookie:NAME; auto is the address, or lineage on loopback")
	fs.IntVar(&f.connections, "connections", 0, "hold at most `N` connections (default: what the descriptor limit allows)")
	fs.DurationVar(&f.duration, "duration", 0, "end after this long (default: when interrupted)")
	fs.Uint64Var(&f.seed, "seed", 0, "draw victims and jitter from this seed instead of the scenario's")
	fs.BoolVar(&f.wait, "wait", false, "let the scenario begin with flatline ctl start")
	fs.BoolVar(&f.learn, "learn", false, "print what the clients seem to do as a profile for a scenario")
	fs.StringVar(&f.cert, "tls-cert", "", "PEM `FILE` with the certificate for clients: take TLS off")
	fs.StringVar(&f.certKey, "tls-key", "", "PEM `FILE` with the certificate's key")
	fs.StringVar(&f.ca, "ca", "", "PEM `FILE` with the authority of the target's certificate (default: the system's)")
	fs.BoolVar(&f.insecure, "insecure", false, "do not verify the target's certificate")
	fs.StringVarP(&f.output.file, "output", "o", "", "write the Result as JSON to this `FILE` (default none)")
	f.output.addLook(cmd)
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "no progress on standard error")
	return cmd
}

func atMostOneScenario(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return one("SCENARIO")(cmd, args)
	}
	return nil
}

// config reads the flags and the scenario.
func (f *proxyFlags) config(a *app, cmd *cobra.Command, args []string) (proxy.Config, error) {
	var c proxy.Config
	if f.listen == "" || f.target == "" {
		return c, usageError(hint(errors.New("proxy needs --listen and --target"), "flatline proxy --listen 9000 --target ws://127.0.0.1:8080"))
	}
	if f.output.file == "none" {
		f.output.file = ""
	}
	if err := f.output.check(); err != nil {
		return c, err
	}
	if _, err := listenAddress("listen", f.listen); err != nil {
		return c, err
	}
	if f.duration < 0 || f.connections < 0 {
		return c, usageError(errors.New("--duration and --connections must not be negative"))
	}
	var err error
	if c.Target, err = proxy.ParseTarget(f.target); err != nil {
		return c, usageError(split("--target: ", err))
	}
	if c.Key, err = proxy.ParseKey(f.key); err != nil {
		return c, usageError(split("--client-key: ", err))
	}
	if err := f.tls(&c); err != nil {
		return c, err
	}
	c.Seed = 1
	if len(args) == 1 {
		plan, err := a.load(cmd, args[0], &scenarioFlags{seed: f.seed})
		if err != nil {
			return c, err
		}
		if !f.quiet && len(plan.Expect) > 0 {
			fmt.Fprintf(a.stderr, "note: %s of the scenario are about its own clients; the proxy does not judge them\n", plural(len(plan.Expect), "expectation"))
		}
		c.Seed, c.Scenario = plan.Seed, plan.Faults
		if len(c.Scenario) == 0 {
			return c, usageError(hint(fmt.Errorf("%s has no faults", quote(args[0])), "leave it out, and start faults with flatline ctl start"))
		}
	} else if f.wait {
		return c, usageError(hint(errors.New("--wait without a SCENARIO has nothing to wait for"), "usage: "+cmd.UseLine()))
	}
	if cmd.Flags().Changed("seed") {
		c.Seed = f.seed
	}
	return c, nil
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// split puts the hint of a message on its own line.
func split(what string, err error) error {
	text, fix, ok := strings.Cut(err.Error(), "; hint: ")
	if !ok {
		return fmt.Errorf("%s%w", what, err)
	}
	return hint(errors.New(what+text), fix)
}

// tls reads certificates and authorities.
func (f *proxyFlags) tls(c *proxy.Config) error {
	if (f.cert == "") != (f.certKey == "") {
		return usageError(hint(errors.New("--tls-cert and --tls-key belong together"), "give both, or neither to pass TLS through"))
	}
	if f.cert != "" {
		pair, err := tls.LoadX509KeyPair(f.cert, f.certKey)
		if err != nil {
			return usageError(fmt.Errorf("--tls-cert %s: %w", f.cert, err))
		}
		// One protocol: a WebSocket upgrade is HTTP/1.1.
		c.Terminate = &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}}
	}
	if !c.Target.Secure || c.Terminate == nil {
		if f.ca != "" || f.insecure {
			return usageError(hint(errors.New("--ca and --insecure are for a wss:// target whose TLS ends here"), "add --tls-cert and --tls-key, or leave them out: TLS passes through and the client verifies it"))
		}
		return nil
	}
	c.Upstream = &tls.Config{ServerName: c.Target.Host, InsecureSkipVerify: f.insecure, NextProtos: []string{"http/1.1"}}
	if f.ca != "" {
		text, err := os.ReadFile(f.ca)
		if err != nil {
			return usageError(fmt.Errorf("--ca: %w", err))
		}
		c.Upstream.RootCAs = x509.NewCertPool()
		if !c.Upstream.RootCAs.AppendCertsFromPEM(text) {
			return usageError(fmt.Errorf("--ca %s: no certificate in it", f.ca))
		}
	}
	return nil
}

// spareDescriptors are for everything but the connections.
const spareDescriptors = 64

// room is how many connections the process may hold: two descriptors each, and the error when that is too few.
func (f *proxyFlags) room() (int, error) {
	limit, err := raiseDescriptors()
	if err != nil {
		return 0, err
	}
	fits := 65536 // where the system does not tell
	if limit > 0 {
		fits = max((limit-spareDescriptors)/2, 1)
	}
	if f.connections > fits {
		return 0, hint(fmt.Errorf("%d connections need %d file descriptors, two each, and this process may have %d", f.connections, 2*f.connections+spareDescriptors, limit),
			fmt.Sprintf("raise the hard limit (ulimit -Hn %d, or LimitNOFILE= / limits.conf), or lower --connections", 2*f.connections+spareDescriptors))
	}
	if f.connections > 0 {
		return f.connections, nil
	}
	return min(fits, 1<<18), nil
}

// proxy runs until the duration is over or somebody interrupts.
func (a *app) proxy(ctx context.Context, f *proxyFlags, config proxy.Config) error {
	var err error
	if config.Connections, err = f.room(); err != nil {
		return cannotRun(err)
	}
	var mu sync.Mutex
	var warnings []string
	config.Warn = func(text string) {
		mu.Lock()
		defer mu.Unlock()
		warnings = append(warnings, text)
		fmt.Fprintf(a.stderr, "warning: %s\n", printable(text))
	}
	p, err := proxy.New(config)
	if err != nil {
		return usageError(split("", err))
	}
	defer p.Close()
	addr, _ := listenAddress("listen", f.listen) // checked before
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return cannotRun(fmt.Errorf("--listen %s: %w", f.listen, err))
	}
	defer l.Close()
	stopAPI, err := a.serveAPI(f, p)
	if err != nil {
		return err
	}
	defer stopAPI()
	if !f.quiet {
		fmt.Fprintf(a.stderr, "proxy: %s in front of %s, at most %d connections, seed %d\n", l.Addr(), config.Target.URL, config.Connections, config.Seed)
		if at := l.Addr().(*net.TCPAddr); !at.IP.IsLoopback() {
			fmt.Fprintln(a.stderr, "warning: everybody who can reach this machine can reach the target through it")
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ignore := a.onInterrupt(cancel)
	defer ignore()
	serving := make(chan error, 1)
	go func() { serving <- p.Serve(l) }()
	if len(config.Scenario) > 0 && !f.wait {
		if err := p.StartScenario(); err != nil {
			return cannotRun(err)
		}
	}
	err = a.watchProxy(ctx, f, p, serving)
	res := p.Result() // before Close ends what is open
	if closed := p.Close(); err == nil {
		err = closed
	}
	res.Tool = "flatline " + version()
	mu.Lock()
	res.Warnings = warnings
	mu.Unlock()
	if saved := a.finishProxy(f, res); err == nil {
		err = saved
	}
	if err != nil {
		return cannotRun(err)
	}
	if context.Cause(ctx) == errInterrupted {
		return exitWith(exitInterrupted)
	}
	return nil
}

// serveAPI opens the control API, unless there is to be none.
func (a *app) serveAPI(f *proxyFlags, p *proxy.Proxy) (stop func(), err error) {
	if f.api == "none" {
		return func() {}, nil
	}
	addr, err := listenAddress("api", f.api)
	if err != nil {
		return nil, err
	}
	if host, _, _ := net.SplitHostPort(addr); !isLoopback(host) {
		return nil, usageError(hint(fmt.Errorf("--api %s: the control API has no password and stays on loopback", f.api), "--api "+defaultAPI))
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, cannotRun(hint(fmt.Errorf("--api %s: %w", f.api, err), "another proxy may run already: --api 0 takes a free port, --api none goes without"))
	}
	server := &http.Server{Handler: p.Handler(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
	go server.Serve(l) // it ends with stop
	if !f.quiet {
		fmt.Fprintf(a.stderr, "control: http://%s/v1/status (flatline ctl --api %[1]s)\n", l.Addr())
	}
	return func() { server.Close() }, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// watchProxy shows the proxy while it runs: on a terminal one line that is drawn over itself, elsewhere one a second.
func (a *app) watchProxy(ctx context.Context, f *proxyFlags, p *proxy.Proxy, serving <-chan error) error {
	var over <-chan time.Time
	if f.duration > 0 {
		over = time.After(f.duration)
	}
	width, tty := terminal(a.stderr)
	period := time.Second
	if tty {
		period = progressPeriod
	}
	tick := time.NewTicker(period)
	defer tick.Stop()
	if tty && !f.quiet {
		defer fmt.Fprint(a.stderr, "\r\x1b[K")
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-over:
			return nil
		case err := <-serving:
			return err
		case <-tick.C:
		}
		switch line := p.Live(); {
		case f.quiet:
		case tty:
			fmt.Fprintf(a.stderr, "\r\x1b[K%.*s", width-1, line)
		default:
			fmt.Fprintln(a.stderr, line)
		}
	}
}

// finishProxy prints the report and writes the Result.
func (a *app) finishProxy(f *proxyFlags, res *proxy.Result) error {
	if err := res.WriteText(a.stdout, a.columns(&f.output), f.output.ascii); err != nil {
		return err
	}
	if f.learn {
		if _, err := fmt.Fprintf(a.stdout, "\n%s", res.Learned.Profile()); err != nil {
			return err
		}
	}
	if f.output.file == "" {
		return nil
	}
	if err := res.WriteFile(f.output.file); err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "result: %s\n", f.output.file)
	return nil
}
