package sim

import (
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// synAt is when the kernel sends its SYNs, after connect(): an initial timeout of 1 s (RFC 6298) that doubles, six
// retries (tcp_syn_retries of Linux). The last entry is when it gives up.
var synAt = [...]time.Duration{0, 1 * time.Second, 3 * time.Second, 7 * time.Second, 15 * time.Second, 31 * time.Second,
	63 * time.Second, 127 * time.Second}

// dial begins attempt epoch.
func (s *shard) dial(client int32, epoch uint32) {
	i := s.link(client, epoch)
	s.sink.Attempt(s.now, s.number(client), epoch)
	s.syn(i)
}

func (s *shard) fail(i int32, after time.Duration, cause heartbeat.Cause) {
	s.push(s.now+after, event{kind: evFail, conn: i, frame: frame{code: uint16(cause)}})
}

// syn sends the next SYN, or gives the attempt up. A slow path makes it later by one crossing in each direction.
func (s *shard) syn(i int32) {
	x := s.conns.at(i)
	if x.left {
		return
	}
	p := s.clients[x.client].path
	switch {
	case s.now-x.dialed >= synAt[len(synAt)-1]:
		s.fail(i, 0, heartbeat.Timeout)
	case p.blackholed():
		s.retry(i)
	case p != nil && p.refused > 0:
		s.fail(i, 0, heartbeat.Refused)
	case p == nil:
		s.synDue(i)
	case s.losesSYN(x.client, p):
		s.retry(i)
	default:
		if extra := p.latency(up) + p.latency(down); extra > 0 {
			s.push(s.now+extra, event{kind: evSYNDue, conn: i})
		} else {
			s.synDue(i)
		}
	}
}

// retry schedules the kernel's next SYN.
func (s *shard) retry(i int32) {
	x := s.conns.at(i)
	for _, after := range synAt {
		if x.dialed+after > s.now {
			s.push(x.dialed+after, event{kind: evSYN, conn: i})
			return
		}
	}
}

// synDue is a SYN that has passed the slow part of the path.
func (s *shard) synDue(i int32) {
	x := s.conns.at(i)
	switch {
	case x.left:
	case s.clients[x.client].path.blackholed():
		s.retry(i)
	default:
		if c := &s.clients[x.client]; !s.net.plain && (s.net.loss.lost(&c.bad[up], &c.rng) || s.net.loss.lost(&c.bad[down], &c.rng)) {
			s.retry(i) // the SYN or its answer
			return
		}
		s.push(s.now+s.crossing(x, up), event{kind: evArrived, conn: i})
	}
}

// connected is the SYN-ACK at the client's kernel: the upgrade request leaves.
func (s *shard) connected(i int32) {
	x := s.conns.at(i)
	if x.left { // the kernel answers with a RST
		s.server.forget(i)
		return
	}
	x.tcp = true
	x.active = s.now
	s.sink.TCPConnected(s.now, s.number(x.client), x.epoch, s.now-x.dialed)
	if p := s.clients[x.client].path; p != nil {
		for _, c := range p.cuts {
			s.awaitCut(i, c)
		}
	}
	s.sendUp(i, frame{wire: wUpgrade})
}
