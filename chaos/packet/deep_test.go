package packet

import (
	"slices"
	"testing"
)

// What a cork keeps back arrives when the last sender has come back, in the order in which it was sent, and what is sent
// afterwards does not overtake it.
func TestCorkKeepsOrder(t *testing.T) {
	p := &path{}
	p.cork(up)
	p.cork(up)
	l := &link{}
	for port := range uint16(3) {
		p.mu.Lock()
		l.handInOrder(crossing{p: p, dir: up, seg: segment{port: port}})
	}
	l.uncork(p, up) // another sender is still at work
	var ports []uint16
	for _, c := range p.corked[up] {
		ports = append(ports, c.seg.port)
	}
	if want := []uint16{0, 1, 2}; !slices.Equal(ports, want) {
		t.Errorf("kept back %v, want %v", ports, want)
	}
	if p.corks != [2]uint16{1, 0} || len(p.corked[down]) != 0 {
		t.Errorf("corks %v, %d kept back down", p.corks, len(p.corked[down]))
	}
}

// BenchmarkDeepen is what deepen costs a goroutine whose stack is large enough already.
func BenchmarkDeepen(b *testing.B) {
	for b.Loop() {
		deepen()
	}
}
