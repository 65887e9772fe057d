package heartbeat

import (
	"math/rand/v2"
	"testing"
	"time"
)

// cycle returns a function that lets an open client live through one healthy heartbeat: the beat and its reply.
func cycle(cfg *Config) func() {
	m := New(cfg, *rand.NewPCG(1, 1))
	out := m.Step(0, Input{Kind: Start}, nil)
	out = m.Step(0, Input{Kind: Connected, Epoch: 1}, out[:0])
	reply := Input{Kind: Received, Frame: Text, Epoch: 1, Data: []byte("123456789")}
	var text []byte
	if cfg.Beat.Frame == Ping {
		reply.Frame = Pong
	}
	return func() {
		now := m.Deadline()
		out = m.Step(now, Input{Kind: Deadline}, out[:0])
		if ref := out[0].Ref; ref != 0 {
			text = AppendRef(text[:0], cfg.Beat.Payload, ref)
			reply.Data = text
		}
		out = m.Step(now+time.Millisecond, reply, out[:0])
		if out[0].Kind != Replied {
			panic("no reply")
		}
	}
}

func pingPong() *Config {
	cfg := heartcheck()
	cfg.Beat.Frame, cfg.Beat.After, cfg.Beat.Jitter, cfg.Liveness = Ping, AfterBeat, 0.1, Reply
	return cfg
}

func numbered() *Config {
	cfg := heartcheck()
	cfg.Beat.Payload, cfg.Beat.Ref = []byte(`[null,"{{.Ref}}","phoenix","heartbeat",{}]`), true
	cfg.Beat.Match = Pattern{Kind: Contains, Ref: true, Text: []byte(`"`), Tail: []byte(`","phoenix"`)}
	cfg.Beat.After, cfg.Liveness = AfterReply, Reply
	return cfg
}

// checked looks for silence too seldom to get between a beat and its reply.
func checked() *Config {
	cfg := heartcheck()
	cfg.Silence, cfg.Check = 10*sec, Span{1 << 60, 1 << 60}
	return cfg
}

// storm returns a function that lets a client be reset, dial again and open.
func storm(cfg *Config) func() {
	m := New(cfg, *rand.NewPCG(1, 1))
	out := m.Step(0, Input{Kind: Start}, nil)
	out = m.Step(0, Input{Kind: Connected, Epoch: 1}, out[:0])
	now := time.Duration(0)
	return func() {
		out = m.Step(now, Input{Kind: Closed, Epoch: m.Epoch(), Cause: Reset}, out[:0])
		now = m.Deadline()
		out = m.Step(now, Input{Kind: Deadline}, out[:0])
		out = m.Step(now, Input{Kind: Connected, Epoch: m.Epoch()}, out[:0])
	}
}

func jittered() *Config {
	cfg := heartcheck()
	cfg.Reconnect.Jitter = Full
	return cfg
}

// TestAllocations: once its slices have grown, a client allocates nothing, neither beating nor reconnecting.
func TestAllocations(t *testing.T) {
	for name, step := range map[string]func(){"heartcheck": cycle(heartcheck()), "ping-pong": cycle(pingPong()),
		"numbered": cycle(numbered()), "checked": cycle(checked()), "storm": storm(jittered())} {
		step()
		if n := testing.AllocsPerRun(1000, step); n != 0 {
			t.Errorf("%s: %v allocations a cycle, want none", name, n)
		}
	}
}

func BenchmarkStep(b *testing.B) {
	for _, bm := range []struct {
		name string
		step func()
	}{{"heartcheck", cycle(heartcheck())}, {"ping-pong", cycle(pingPong())}, {"numbered", cycle(numbered())}, {"storm", storm(jittered())}} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bm.step()
			}
		})
	}
}
