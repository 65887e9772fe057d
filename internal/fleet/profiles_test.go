package fleet

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/internal/server"
	"github.com/flatline-dev/flatline/scenario"
)

// said is how often a client said what.
type said struct {
	outputs [heartbeat.NumOutputs]int
	beats   int // sent, answers to the server's included
}

// byClient is a tally that also keeps what each client said.
type byClient struct {
	*tally
	of []said
}

func (s byClient) Output(now time.Duration, c int, o *heartbeat.Output) {
	s.with(func() {
		s.of[c].outputs[o.Kind]++
		if o.Kind == heartbeat.Send && o.Beat {
			s.of[c].beats++
		}
	})
	s.tally.Output(now, c, o)
}

// TestProfiles lets clients of every profile meet the embedded server over real sockets, beating every 500 ms: each goes
// through its opening exchange, beats, hears what its own server would answer, and nobody is declared dead.
func TestProfiles(t *testing.T) {
	const each = 2
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan server.Info, 1), make(chan error, 1)
	go func() {
		done <- server.Run(ctx, server.Config{Dialects: scenario.Dialect}, func(i server.Info) { ready <- i })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	info := <-ready

	var groups strings.Builder
	for _, name := range scenario.Profiles() {
		if name == "server-ping" {
			continue // it stands for no one library, and so has no server of its own
		}
		cfg, _, err := scenario.Profile(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&groups, "  - {group: %s, count: %d, ramp: 100ms, profile: %s", name, each, name)
		patience := ", timeout: 30s"
		switch {
		case cfg.Silence > 0:
			patience = ", silence: 30s"
		case cfg.Timeout == 0: // closes as it sends the beat after the last that it tolerates
			patience = ", misses: 60"
		}
		if cfg.Beat.By != heartbeat.Nobody {
			fmt.Fprintf(&groups, ", beat: {interval: 500ms}%s", patience)
		}
		groups.WriteString("}\n")
	}
	plan := planOf(t, "target: {serve: {}}\nduration: 10m\nclients:\n"+groups.String())
	sink := byClient{newTally(), make([]said, plan.Clients)}
	f, stop := start(t, plan, Options{Sink: sink, URL: "ws://" + info.Addr, Quantum: DefaultQuantum(plan.Clients)})
	of := func(c int) (got said) {
		sink.with(func() { got = sink.of[c] })
		return got
	}
	waitFor(t, func() bool {
		for c := range plan.Clients {
			got, b := of(c), &plan.GroupOf(c).Config.Beat
			switch {
			case got.outputs[heartbeat.Opened] == 0,
				b.By == heartbeat.Client && got.outputs[heartbeat.Replied] < 3,
				(b.By == heartbeat.Both || b.Answer != nil) && got.beats < 3:
				return false
			}
		}
		return true
	})
	if n := open(f); n != plan.Clients {
		t.Errorf("%d clients are open, want %d", n, plan.Clients)
	}
	stop()
	for c := range plan.Clients {
		got := of(c).outputs
		if got[heartbeat.Dead]+got[heartbeat.AttemptFailed]+got[heartbeat.Unanswered] > 0 {
			t.Errorf("%s: %d deaths, %d failed attempts, %d times beats without a reply", plan.GroupOf(c).Name, got[heartbeat.Dead],
				got[heartbeat.AttemptFailed], got[heartbeat.Unanswered])
		}
	}
}
