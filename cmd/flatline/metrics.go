package main

import (
	"context"
	"fmt"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/flatline-dev/flatline/internal/metrics"
)

// metricsFlags say where a run can be watched by Prometheus.
type metricsFlags struct {
	addr   string
	linger time.Duration
}

func (m *metricsFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&m.addr, "metrics", "", "serve Prometheus metrics on this `ADDRESS` during the run; a port alone is of 127.0.0.1")
	cmd.Flags().DurationVar(&m.linger, "metrics-linger", 0, "serve the final metrics for so long after the run, for one more scrape")
	cmd.Flags().Lookup("metrics-linger").DefValue = ""
}

func (m *metricsFlags) check() error {
	switch {
	case m.linger < 0:
		return usageError(fmt.Errorf("--metrics-linger %v is negative", m.linger))
	case m.linger > 0 && m.addr == "":
		return usageError(hint(fmt.Errorf("--metrics-linger without --metrics serves nothing"), "add --metrics 9123"))
	case m.addr != "":
		_, err := listenAddress("metrics", m.addr)
		return err
	}
	return nil
}

// publish shows the session to Prometheus on the page.
func (s *session) publish(x *page) {
	x.mux.Handle("/metrics", metrics.Handler(metrics.New(metrics.Options{
		Recorder: s.rec, Clock: s.clock, Version: version(), GoVersion: runtime.Version(),
	})))
}

// linger waits for the last scrape, or for an impatient user.
func (a *app) linger(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	fmt.Fprintf(a.stderr, "metrics: the final ones are served for %v more; interrupt to end it\n", d)
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
