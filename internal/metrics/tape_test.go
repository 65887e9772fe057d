package metrics

import (
	"sync"
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/report"
)

// tape keeps what a simulated run tells its Sink. The simulator works through its clients one by one; played back in
// order of time it is as a run on sockets.
type tape struct {
	mu     sync.Mutex
	events []event
}

type event struct {
	at time.Duration
	do func(report.Sink)
}

func (s *tape) add(at time.Duration, do func(report.Sink)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, event{at, do})
}

func (s *tape) Attempt(now time.Duration, id int, epoch uint32) {
	s.add(now, func(r report.Sink) { r.Attempt(now, id, epoch) })
}
func (s *tape) Routed(now time.Duration, id int, epoch uint32, node int) {
	s.add(now, func(r report.Sink) { r.(report.NodeSink).Routed(now, id, epoch, node) })
}
func (s *tape) TCPConnected(now time.Duration, id int, epoch uint32, took time.Duration) {
	s.add(now, func(r report.Sink) { r.TCPConnected(now, id, epoch, took) })
}
func (s *tape) Output(now time.Duration, id int, o *heartbeat.Output) {
	kept := *o
	s.add(now, func(r report.Sink) { r.Output(now, id, &kept) })
}
func (s *tape) State(now time.Duration, id int, x heartbeat.State) {
	s.add(now, func(r report.Sink) { r.State(now, id, x) })
}
func (s *tape) FaultBegan(now time.Duration, occ int) {
	s.add(now, func(r report.Sink) { r.FaultBegan(now, occ) })
}
func (s *tape) FaultInForce(now time.Duration, occ int) {
	s.add(now, func(r report.Sink) { r.FaultInForce(now, occ) })
}
func (s *tape) FaultEnded(now time.Duration, occ int) {
	s.add(now, func(r report.Sink) { r.FaultEnded(now, occ) })
}
func (s *tape) FaultFailed(now time.Duration, occ int, err error) {
	s.add(now, func(r report.Sink) { r.FaultFailed(now, occ, err) })
}
func (s *tape) PathCut(now time.Duration, id, occ int) {
	s.add(now, func(r report.Sink) { r.PathCut(now, id, occ) })
}
func (s *tape) ZombieBegan(now time.Duration, id int) {
	s.add(now, func(r report.Sink) { r.ZombieBegan(now, id) })
}
func (s *tape) ZombieEnded(now time.Duration, id int, byServer bool) {
	s.add(now, func(r report.Sink) { r.ZombieEnded(now, id, byServer) })
}
func (s *tape) Ended(now time.Duration) { s.add(now, func(r report.Sink) { r.Ended(now) }) }
func (s *tape) Lag(now, due time.Duration) {
	s.add(now, func(r report.Sink) { r.Lag(now, due) })
}
func (s *tape) Target(now time.Duration, x report.TargetSample) {
	s.add(now, func(r report.Sink) { r.Target(now, x) })
}
func (s *tape) Warn(now time.Duration, text string) {
	s.add(now, func(r report.Sink) { r.Warn(now, text) })
}
