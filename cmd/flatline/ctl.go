package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/proxy"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// control is a client of a proxy's control API.
type control struct {
	app  *app
	addr string
	json bool
}

func (a *app) ctlCommand() *cobra.Command {
	c := &control{app: a}
	cmd := &cobra.Command{
		Use:   "ctl",
		Short: "steer a running flatline proxy: start and stop faults, list clients",
		Long: `Ctl talks to the control API of flatline proxy. A fault is written as a scenario writes it,
{fault: blackhole, for: 20s, clients: 33%}, or on one line: blackhole for 20s clients 33%.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return usageError(hint(fmt.Errorf("ctl does not know %q", args[0]), "flatline ctl --help lists what it knows"))
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&c.addr, "api", defaultAPI, "`ADDR` of the proxy's control API")
	cmd.PersistentFlags().BoolVar(&c.json, "json", false, "print the answer as JSON")
	verb := func(use, short string, args cobra.PositionalArgs, do func(ctx context.Context, args []string) error) {
		cmd.AddCommand(&cobra.Command{Use: use, Short: short, Args: args, RunE: func(cmd *cobra.Command, args []string) error { return do(cmd.Context(), args) }})
	}
	verb("status", "what the proxy is and does", none, c.status)
	verb("faults", "list the faults that were started", none, c.faults)
	verb("start [FAULT]", "start a fault by hand, or without one the scenario that proxy --wait holds back", anything, c.start)
	verb("stop NAME", "stop a fault", one("NAME"), c.stop)
	verb("clients", "list the clients", none, c.clients)
	verb("connections", "list the connections", none, c.connections)
	verb("stats", "print the report so far", none, c.stats)
	verb("reset", "stop every fault and forget what was measured", none, c.reset)
	return cmd
}

func anything(*cobra.Command, []string) error { return nil }

// call sends a request and decodes the answer into v; with --json it prints it instead and shown is true.
func (c *control) call(ctx context.Context, method, path string, body []byte, v any) (shown bool, err error) {
	addr, err := listenAddress("api", c.addr)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+addr+path, bytes.NewReader(body))
	if err != nil {
		return false, usageError(err)
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	// Straight to loopback, whatever proxy the environment names.
	client := &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{}).DialContext}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		if errors.Is(err, syscall.ECONNREFUSED) {
			err = hint(fmt.Errorf("no proxy listens on %s", addr), "start flatline proxy first; --api names another address")
		}
		return false, cannotRun(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 256<<20))
	if err != nil {
		return false, cannotRun(err)
	}
	if resp.StatusCode >= 300 {
		var p proxy.Problem
		if json.Unmarshal(text, &p) != nil || p.Error == "" {
			return false, cannotRun(hint(fmt.Errorf("%s answered %s", addr, resp.Status), "is that a flatline proxy?"))
		}
		err := errors.New(p.Error)
		if p.Hint != "" {
			err = hint(err, p.Hint)
		}
		return false, usageError(err)
	}
	if c.json {
		_, err := c.app.stdout.Write(text)
		return true, err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return false, cannotRun(hint(fmt.Errorf("%s answered what is no answer: %w", addr, err), "is that a flatline proxy?"))
	}
	return false, nil
}

func (c *control) table(head string, rows func(add func(cells ...any))) error {
	w := tabwriter.NewWriter(c.app.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.ReplaceAll(head, " ", "\t"))
	rows(func(cells ...any) {
		for i, x := range cells {
			if i > 0 {
				fmt.Fprint(w, "\t")
			}
			fmt.Fprint(w, report.Clean(fmt.Sprint(x), 120))
		}
		fmt.Fprintln(w)
	})
	return w.Flush()
}

func (c *control) status(ctx context.Context, _ []string) error {
	var s proxy.Status
	if shown, err := c.call(ctx, "GET", "/v1/status", nil, &s); shown || err != nil {
		return err
	}
	_, err := fmt.Fprintf(c.app.stdout, "%s in front of %s, %d open, %s in force, since %s\n", s.Listen, s.Target, s.Open, plural(s.Faults, "fault"), report.FormatDuration(s.Elapsed))
	return err
}

func (c *control) faults(ctx context.Context, _ []string) error {
	var l proxy.FaultList
	if shown, err := c.call(ctx, "GET", "/v1/faults", nil, &l); shown || err != nil {
		return err
	}
	return c.printFaults(l.Faults...)
}

func (c *control) printFaults(list ...proxy.FaultInfo) error {
	return c.table("name state times clients fault", func(add func(...any)) {
		for _, f := range list {
			line := string(f.Fault)
			if x, err := scenario.ParseFault("fault", f.Fault); err == nil {
				x.Name = ""
				line = x.String()
			}
			add(f.Name, f.State, f.Times, f.Clients, line)
		}
	})
}

func (c *control) start(ctx context.Context, args []string) error {
	if len(args) == 0 {
		var l proxy.FaultList
		if shown, err := c.call(ctx, "POST", "/v1/scenario", nil, &l); shown || err != nil {
			return err
		}
		return c.printFaults(l.Faults...)
	}
	body, err := faultBody(strings.Join(args, " "))
	if err != nil {
		return usageError(err)
	}
	var f proxy.FaultInfo
	if shown, err := c.call(ctx, "POST", "/v1/faults", body, &f); shown || err != nil {
		return err
	}
	return c.printFaults(f)
}

// faultBody makes JSON of a fault in either form.
func faultBody(text string) ([]byte, error) {
	var f chaos.Fault
	var err error
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		f, err = scenario.ParseFault("fault", []byte(text))
	} else if f, err = chaos.ParseFault(text); err != nil {
		err = split("", err)
	}
	if err != nil {
		return nil, err
	}
	return scenario.FaultJSON(f)
}

func (c *control) stop(ctx context.Context, args []string) error {
	var f proxy.FaultInfo
	if shown, err := c.call(ctx, "DELETE", "/v1/faults/"+url.PathEscape(args[0]), nil, &f); shown || err != nil {
		return err
	}
	return c.printFaults(f)
}

func (c *control) clients(ctx context.Context, _ []string) error {
	var l proxy.ClientList
	if shown, err := c.call(ctx, "GET", "/v1/clients", nil, &l); shown || err != nil {
		return err
	}
	return c.table("client connections attempts opened failed faults key", func(add func(...any)) {
		for _, x := range l.Clients {
			add(x.Name, x.Connections, x.Attempts, x.Opened, x.Failed, orDash(x.Faults), x.Key)
		}
	})
}

func (c *control) connections(ctx context.Context, _ []string) error {
	var l proxy.ConnectionList
	if shown, err := c.call(ctx, "GET", "/v1/connections", nil, &l); shown || err != nil {
		return err
	}
	return c.table("id client state age quiet bytes-up bytes-down messages-up messages-down faults remote", func(add func(...any)) {
		for _, x := range l.Connections {
			add(x.ID, x.Client, x.State, report.FormatDuration(x.Age), report.FormatDuration(x.QuietFor), x.Bytes.Up, x.Bytes.Down,
				x.Messages.Up, x.Messages.Down, orDash(x.Faults), x.Remote)
		}
	})
}

func orDash(list []string) string {
	if len(list) == 0 {
		return "-"
	}
	return strings.Join(list, ",")
}

func (c *control) stats(ctx context.Context, _ []string) error {
	r := &proxy.Result{}
	if shown, err := c.call(ctx, "GET", "/v1/stats", nil, r); shown || err != nil {
		return err
	}
	return r.WriteText(c.app.stdout, c.app.columns(&outputFlags{}), false)
}

func (c *control) reset(ctx context.Context, _ []string) error {
	var s proxy.Status
	if shown, err := c.call(ctx, "POST", "/v1/reset", nil, &s); shown || err != nil {
		return err
	}
	_, err := fmt.Fprintln(c.app.stdout, "every fault is stopped, every count is 0")
	return err
}
