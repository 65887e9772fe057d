package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/internal/server"
	store "github.com/flatline-dev/flatline/internal/session"
	"github.com/flatline-dev/flatline/scenario"
)

func (a *app) serveCommand() *cobra.Command {
	config := server.Config{Dialects: scenario.Dialect}
	var untilEOF bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "run the embedded reference server",
		Long: `Serve is the target that flatline runs when a scenario says "target: {serve: {}}". Its first
line of output is JSON with the addresses it listens on; GET /stats on the control address
prints its own counts, POST /drain makes it say goodbye to its clients, and POST /publish hands it a
message for them (docs/delivery.md).`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			if untilEOF {
				var cancel context.CancelFunc
				ctx, cancel = context.WithCancel(ctx)
				defer cancel()
				go func() {
					_, _ = io.Copy(io.Discard, a.stdin) // any end of it means the same
					cancel()
				}()
			}
			if err := config.Check(); err != nil {
				return usageError(err)
			}
			err := server.Run(ctx, config, func(info server.Info) {
				_ = json.NewEncoder(a.stdout).Encode(info) // nobody reads it: serve on
			})
			if err != nil {
				return cannotRun(err)
			}
			return nil
		},
	}
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	config.Flags(flags)
	cmd.Flags().AddGoFlagSet(flags)
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.DefValue == "0s" {
			f.DefValue = "" // its usage says what zero means
		}
	})
	cmd.Flags().BoolVar(&untilEOF, "until-eof", false, "end when standard input does")
	return cmd
}

// brokerCommand is the store that several embedded servers share, as flatline run starts it.
func (a *app) brokerCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "broker",
		Short:  "run the NATS server that embedded servers share",
		Hidden: true,
		Args:   none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			b, err := store.StartBroker(0)
			if err != nil {
				return cannotRun(err)
			}
			fmt.Fprintln(a.stdout, b.URL())
			<-ctx.Done()
			if err := b.Close(); err != nil {
				return cannotRun(err)
			}
			return nil
		},
	}
}

// serveArgs is the command line of the embedded server.
func serveArgs(s *scenario.Serve) []string {
	c := server.Config{
		Reply: s.Reply, Beat: s.Beat, BeatText: s.BeatText, Reap: s.Reap,
		Handshakes: s.Handshakes, Backlog: s.Backlog, MaxClients: s.MaxClients,
	}
	if s.Beat > 0 {
		c.BeatFrame = server.BeatText
		if s.BeatFrame == heartbeat.Ping {
			c.BeatFrame = server.BeatPing
		}
	}
	if d := s.Delivery; d != nil {
		c.Delivery, c.Store, c.NATS, c.Retain, c.Dedup, c.Log = true, d.Store, d.NATS, d.Retain, d.Dedup, d.Log
		c.DropAcked, c.Duplicate, c.Reorder = d.DropAcked, d.Duplicate, d.Reorder
	}
	args := []string{"serve"}
	for _, arg := range c.Args() {
		args = append(args, "-"+arg)
	}
	return args
}

// parseReady reads the first line that the embedded server prints.
func parseReady(line string) (server.Info, error) {
	var info server.Info
	if err := json.Unmarshal([]byte(line), &info); err != nil || info.Addr == "" {
		return info, fmt.Errorf("the embedded server said %q instead of its address", line)
	}
	return info, nil
}
