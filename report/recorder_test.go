package report

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// Ten million clients in the simulator must fit.
func TestMemoryPerClient(t *testing.T) {
	if n := unsafe.Sizeof(client{}); n > 128 {
		t.Errorf("a client takes %d bytes", n)
	}
	if n := unsafe.Sizeof(exposure{}); n > 64 {
		t.Errorf("an exposure takes %d bytes", n)
	}
}

func TestLive(t *testing.T) {
	h := newHistory(t, plan(sec(60), []chaos.Fault{{Kind: chaos.Blackhole, At: sec(10), For: sec(20)}}, browsers(4)))
	h.open(1.5, 0, 1, 2)
	h.reply(8.1, 0, 0.010)
	h.reply(8.2, 1, 0.0188) // its bucket's middle is 19.5 ms
	l := h.r.Live(sec(9.5))
	if l.Open != 3 || l.States[heartbeat.Idle] != 1 || l.Attempts != 0 || len(l.Faults) != 0 || len(l.History) != 9 || l.History[1] != 3 {
		t.Errorf("%+v", l)
	}
	if l.RTTMax != 18800*time.Microsecond || l.RTT99 != l.RTTMax || l.RTT50 < 9*time.Millisecond || l.RTT50 > 11*time.Millisecond {
		t.Errorf("round trip %v, %v, %v", l.RTT50, l.RTT99, l.RTTMax)
	}
	h.began(10, 0)
	h.dead(16, 0, timeout, 9)
	h.attempt(20, 0)
	if l = h.r.Live(sec(20.5)); l.Detections != 1 || l.Attempts != 1 || l.Retries != 1 || len(l.Faults) != 1 || l.Open != 2 {
		t.Errorf("%+v", l)
	}
}

// The target's process is started anew: its counter goes down, the sum does not.
func TestTargetRestarts(t *testing.T) {
	h := newHistory(t, plan(sec(10), nil, browsers(1)))
	for i, cpu := range []float64{5, 5.5, 6, 0.25, 0.75} {
		h.r.Target(sec(float64(i)), TargetSample{CPU: sec(cpu), RSS: uint64(100 + i), FDs: count(9 - i)})
	}
	r := h.end()
	wants(t, r, "target.cpu == 0.4375", "target.rss == 104B", "target.fds == 9") // 1.75 s in 4 s
}

// Many goroutines, with snapshots and live views between: the sums come out right. Run with -race.
func TestConcurrent(t *testing.T) {
	const workers, beats = 8, 500
	p := plan(sec(60), []chaos.Fault{{Kind: chaos.Stall, At: sec(10), For: sec(5)}}, browsers(workers))
	r := NewRecorder(p, Options{})
	var clock atomic.Int64
	var wg sync.WaitGroup
	stop := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case <-stop:
				return
			default:
				now := time.Duration(clock.Load())
				r.Snapshot(now, SnapshotOptions{})
				r.Live(now)
			}
		}
	}()
	for id := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			now := sec(1)
			r.Attempt(now, id, 1)
			r.Output(now, id, &heartbeat.Output{Kind: heartbeat.Opened, Epoch: 1})
			r.State(now, id, heartbeat.Open)
			for range beats {
				now += 20 * time.Millisecond
				clock.Store(int64(now))
				r.Output(now, id, &heartbeat.Output{Kind: heartbeat.Send, Beat: true, Epoch: 1})
				r.Output(now, id, &heartbeat.Output{Kind: heartbeat.Replied, Epoch: 1, Due: now, Dur: time.Millisecond})
				r.Lag(now, now-time.Microsecond)
			}
		}()
	}
	wg.Wait()
	close(stop)
	<-watched
	r.FaultBegan(sec(12), 0)
	res := r.Snapshot(sec(60), SnapshotOptions{Final: true})
	sane(t, res)
	wants(t, res, fmt.Sprintf("heartbeat.sent == %d", workers*beats), fmt.Sprintf("heartbeat.rtt.count == %d", workers*beats),
		fmt.Sprintf("harness.lag.count == %d", workers*beats), fmt.Sprintf("detection.undetected == %d", workers))
}

func TestNoAllocationPerEvent(t *testing.T) {
	r := NewRecorder(plan(time.Hour, nil, browsers(100)), Options{})
	beat := func(i int) {
		now := time.Duration(i%1000) * time.Millisecond
		r.Output(now, i%100, &heartbeat.Output{Kind: heartbeat.Send, Beat: true})
		r.Output(now, i%100, &heartbeat.Output{Kind: heartbeat.Replied, Dur: time.Duration(i%100) * 10 * time.Microsecond})
		r.Attempt(now, i%100, 1)
		r.Lag(now, now)
	}
	for i := range 5000 {
		beat(i)
	}
	i := 0
	if n := testing.AllocsPerRun(5000, func() { beat(i); i++ }); n != 0 {
		t.Errorf("%v allocations per beat", n)
	}
}

func BenchmarkRecorderBeat(b *testing.B) {
	for _, parallel := range []bool{false, true} {
		b.Run(fmt.Sprintf("parallel=%v", parallel), func(b *testing.B) {
			const clients = 10000
			r := NewRecorder(plan(time.Hour, nil, browsers(clients)), Options{})
			var next atomic.Int64
			beat := func(i int64) {
				now := time.Duration(i) * 100 * time.Microsecond % time.Hour
				id := int(i % clients)
				r.Output(now, id, &heartbeat.Output{Kind: heartbeat.Replied, Epoch: 1, Due: now, Dur: time.Duration(200+i%300) * time.Microsecond})
			}
			b.ReportAllocs()
			b.ResetTimer()
			if !parallel {
				for i := range b.N {
					beat(int64(i))
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					beat(next.Add(1))
				}
			})
		})
	}
}

// One client's way through a storm: dead, three attempts of which two fail, open.
func BenchmarkRecorderStorm(b *testing.B) {
	const clients = 10000
	p := plan(time.Hour, []chaos.Fault{{Kind: chaos.Kill, How: chaos.RST}}, browsers(clients))
	r := NewRecorder(p, Options{})
	for id := range clients {
		r.Attempt(0, id, 1)
		r.Output(0, id, &heartbeat.Output{Kind: heartbeat.Opened, Epoch: 1})
	}
	r.FaultBegan(time.Second, 0)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		now, id, e := time.Second+time.Duration(i)*100*time.Microsecond, i%clients, uint32(1+3*(i/clients))
		r.Output(now, id, &heartbeat.Output{Kind: heartbeat.Dead, Cause: reset, Epoch: e, LastHeard: 0})
		for k := uint32(1); k <= 3; k++ {
			r.Attempt(now, id, e+k)
			if k < 3 {
				r.Output(now, id, &heartbeat.Output{Kind: heartbeat.AttemptFailed, Cause: heartbeat.Refused, Epoch: e + k})
			}
		}
		r.Output(now, id, &heartbeat.Output{Kind: heartbeat.Opened, Epoch: e + 3})
	}
}

func BenchmarkSnapshot(b *testing.B) {
	const clients = 10000
	p := plan(time.Hour, []chaos.Fault{{Kind: chaos.Kill, How: chaos.RST}}, browsers(clients))
	r := NewRecorder(p, Options{})
	for id := range clients {
		r.Attempt(0, id, 1)
		r.Output(0, id, &heartbeat.Output{Kind: heartbeat.Opened, Epoch: 1})
	}
	r.FaultBegan(time.Second, 0)
	for id := range clients {
		r.Output(time.Second+time.Duration(id)*time.Millisecond, id, &heartbeat.Output{Kind: heartbeat.Dead, Cause: reset, Epoch: 1})
	}
	for b.Loop() {
		r.Snapshot(20*time.Second, SnapshotOptions{})
	}
}

// TestEnded: the clearing up after the run counts nowhere, and the Result ends where the run did, however late it is made.
func TestEnded(t *testing.T) {
	h := newHistory(t, plan(sec(20), []chaos.Fault{{Kind: chaos.Blackhole, At: sec(10)}}, browsers(2)))
	h.open(1, 0, 1)
	h.began(10, 0)
	h.dead(17, 0, timeout, 9)
	h.r.ZombieBegan(sec(17), 0)
	h.r.Ended(sec(20))
	h.r.ZombieEnded(sec(20.1), 0, true)
	h.dead(20.2, 1, timeout, 9)
	h.r.State(sec(20.2), 1, heartbeat.Stopped)
	h.attempt(21, 1)
	r := h.r.Snapshot(sec(25), SnapshotOptions{Final: true})
	if r.Elapsed != sec(20) {
		t.Errorf("the run took %v, want 20 s", r.Elapsed)
	}
	wants(t, r, "detection.count == 1", "reap.pending == 1", "reap.count == 0", "storm.attempts == 0", "clients.open == 1")
}

func count(n int) *int { return &n }
