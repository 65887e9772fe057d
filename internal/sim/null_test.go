package sim_test

import (
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/report"
)

// null is a Sink that keeps nothing.
type null struct{}

func (null) Attempt(time.Duration, int, uint32)                     {}
func (null) TCPConnected(time.Duration, int, uint32, time.Duration) {}
func (null) Output(time.Duration, int, *heartbeat.Output)           {}
func (null) State(time.Duration, int, heartbeat.State)              {}
func (null) FaultBegan(time.Duration, int)                          {}
func (null) FaultInForce(time.Duration, int)                        {}
func (null) FaultEnded(time.Duration, int)                          {}
func (null) Ended(time.Duration)                                    {}
func (null) FaultFailed(time.Duration, int, error)                  {}
func (null) PathCut(time.Duration, int, int)                        {}
func (null) ZombieBegan(time.Duration, int)                         {}
func (null) ZombieEnded(time.Duration, int, bool)                   {}
func (null) Lag(time.Duration, time.Duration)                       {}
func (null) Target(time.Duration, report.TargetSample)              {}
func (null) Warn(time.Duration, string)                             {}

// storm counts by second what a storm is made of.
type storm struct {
	null
	attempts, failed []int
	opened, dead     []int
}

func (s *storm) Attempt(now time.Duration, _ int, _ uint32) { bump(&s.attempts, now) }
func (s *storm) Output(now time.Duration, _ int, o *heartbeat.Output) {
	switch o.Kind {
	case heartbeat.AttemptFailed:
		bump(&s.failed, now)
	case heartbeat.Opened:
		bump(&s.opened, now)
	case heartbeat.Dead:
		bump(&s.dead, now)
	}
}

func bump(by *[]int, now time.Duration) {
	for len(*by) <= int(now/time.Second) {
		*by = append(*by, 0)
	}
	(*by)[now/time.Second]++
}
