package delivery

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// naive keeps every event of one publisher in full.
type naive struct {
	from        int32
	to          []int32
	sent, acked map[uint32]int
	stray       int64
	got         map[int32][]uint32 // arrivals in order
}

func (n *naive) account(due uint32) (Account, []ID) {
	a := Account{Due: int64(due), StrayAcked: n.stray}
	for seq := uint32(1); seq <= due; seq++ {
		if n.sent[seq] > 0 {
			a.Sent++
		}
		if n.acked[seq] > 0 {
			a.Acked++
		}
	}
	for _, times := range n.sent {
		a.Resent += int64(times - 1)
	}
	var lied []ID
	for _, to := range n.to {
		seen := map[uint32]bool{}
		high := uint32(0)
		for _, seq := range n.got[to] {
			switch {
			case seen[seq]:
				a.Duplicated++
			case seq < high:
				a.Reordered++
			}
			seen[seq] = true
			high = max(high, seq)
		}
		for seq := uint32(1); seq <= due; seq++ {
			a.Owed++
			switch {
			case seen[seq]:
				a.Received++
			case n.acked[seq] > 0:
				a.AckedLost++
				lied = append(lied, ID{n.from, to, seq})
			}
		}
	}
	if len(n.to) == 0 {
		a.Owed, a.Received = a.Due, a.Acked
	}
	a.Lost = a.Owed - a.Received
	slices.SortFunc(lied, func(x, y ID) int { return cmp.Or(cmp.Compare(x.Seq, y.Seq), cmp.Compare(x.To, y.To)) })
	return a, lied[:min(len(lied), 100)]
}

// TestAgainstFullSets: on random histories of loss, duplicates, reordering, late and false acknowledgements, messages that
// never left and messages that nobody sent, the ledger says what keeping every number says.
func TestAgainstFullSets(t *testing.T) {
	var seen Account
	strays := 0
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(7, seed))
		chance := func(p float64) bool { return rng.Float64() < p }
		loss, lie, double, unsent := rng.Float64()*0.5, rng.Float64()*0.3, rng.Float64()*0.3, rng.Float64()*0.2
		spread := 1 + rng.IntN(50)
		var to []int32
		for i := range rng.IntN(4) {
			to = append(to, int32(10+i))
		}
		n := &naive{from: 3, to: to, sent: map[uint32]int{}, acked: map[uint32]int{}, got: map[int32][]uint32{}}
		var l Ledger
		l.Declare(3, to)
		due := uint32(rng.IntN(600))
		type event struct {
			at   int
			kind int
			seq  uint32
			to   int32
		}
		var events []event
		for seq := uint32(1); seq <= due; seq++ {
			at := int(seq)
			if chance(unsent) {
				if chance(0.1) { // acknowledged without ever having been sent
					events = append(events, event{at, 1, seq, 0})
				}
				continue
			}
			events = append(events, event{at, 0, seq, 0})
			if chance(double) {
				events = append(events, event{at + rng.IntN(spread), 0, seq, 0})
			}
			arrives := !chance(loss)
			if arrives || chance(lie) {
				events = append(events, event{at + 1 + rng.IntN(spread), 1, seq, 0})
			}
			for _, r := range to {
				for arrives && !chance(loss/4) {
					events = append(events, event{at + 1 + rng.IntN(spread), 2, seq, r})
					arrives = chance(0.9)
					if !chance(double) {
						break
					}
				}
			}
		}
		slices.SortStableFunc(events, func(a, b event) int { return cmp.Compare(a.at, b.at) })
		for _, e := range events {
			switch e.kind {
			case 0:
				if first := l.Sent(3, e.seq); first != (n.sent[e.seq] == 0) {
					t.Fatalf("seed %d: Sent(%d) = %v", seed, e.seq, first)
				}
				n.sent[e.seq]++
			case 1:
				l.Acked(3, e.seq)
				if n.sent[e.seq] == 0 {
					n.stray++
				} else {
					n.acked[e.seq]++
				}
			case 2:
				if n.sent[e.seq] == 0 {
					t.Fatal("the history is wrong")
				}
				l.Received(3, e.to, e.seq)
				n.got[e.to] = append(n.got[e.to], e.seq)
			}
			if chance(0.02) {
				strays++
				if l.Received(3, 99, e.seq) != Stray || l.Received(4, 10, e.seq) != Stray || l.Received(3, 10, due+7) != Stray {
					t.Fatalf("seed %d: a message that nobody sent there is no stray", seed)
				}
			}
		}
		got, ids := l.Account(3, due), l.AckedLost(3, due, 100)
		want, wantIDs := n.account(due)
		if d := gocmp.Diff(want, got); d != "" {
			t.Fatalf("seed %d: %s", seed, d)
		}
		if !slices.Equal(ids, wantIDs) {
			t.Fatalf("seed %d: acknowledged and lost: %v, want %v", seed, ids, wantIDs)
		}
		seen.Add(got)
	}
	if seen.Lost == 0 || seen.Duplicated == 0 || seen.Reordered == 0 || seen.AckedLost == 0 || seen.StrayAcked == 0 || strays == 0 {
		t.Errorf("the histories have too little in them: %+v, %d strays", seen, strays)
	}
}

// TestSet: every operation against a map, on numbers close enough to meet each other.
func TestSet(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(11, seed))
		var s Set
		full := map[uint32]bool{}
		for range 200 {
			n := uint32(rng.IntN(120))
			if rng.IntN(40) == 0 {
				s.Fill(n)
				for i := uint32(1); i <= n; i++ {
					full[i] = true
				}
			} else if added := s.Add(n); added != (n > 0 && !full[n]) {
				t.Fatalf("seed %d: Add(%d) = %v", seed, n, added)
			} else if n > 0 {
				full[n] = true
			}
			if err := agree(&s, full); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
	}
}

func agree(s *Set, full map[uint32]bool) error {
	var missing []uint32
	top, prefix, spans, within := uint32(0), uint32(0), 0, int64(0)
	for n := uint32(1); n <= 130; n++ {
		if s.Has(n) != full[n] {
			return fmt.Errorf("Has(%d) = %v", n, s.Has(n))
		}
		if full[n] {
			top = n
			if prefix == n-1 {
				prefix = n
			}
			if !full[n-1] {
				spans++
			}
			if n <= 60 {
				within++
			}
		} else {
			missing = append(missing, n)
		}
	}
	switch {
	case s.Len() != int64(len(full)):
		return fmt.Errorf("Len %d, want %d", s.Len(), len(full))
	case s.Max() != top || s.Prefix() != prefix || s.Spans() != spans || s.Within(60) != within:
		return fmt.Errorf("max %d prefix %d spans %d within %d, want %d %d %d %d", s.Max(), s.Prefix(), s.Spans(), s.Within(60), top, prefix, spans, within)
	case !slices.Equal(slices.Collect(s.Missing(130)), missing):
		return fmt.Errorf("missing %v, want %v", slices.Collect(s.Missing(130)), missing)
	}
	return nil
}

// TestSetAtTheLimit: the largest number neither wraps round nor loops.
func TestSetAtTheLimit(t *testing.T) {
	const top = 1<<32 - 1
	var s Set
	for _, n := range []uint32{top, top - 1, top} {
		s.Add(n)
	}
	if s.Len() != 2 || s.Spans() != 1 || s.Max() != top || s.Within(top) != 2 {
		t.Errorf("%+v", s)
	}
	s.Fill(top - 2)
	if s.Spans() != 1 || s.Prefix() != top || len(slices.Collect(s.Missing(top))) != 0 {
		t.Errorf("%+v", s)
	}
}

// BenchmarkStream: an hour of 5 messages/s on each of 1,000 streams to itself, a fifth of a per cent of them lost; bytes a
// stream are what the accounts hold at the end, sender and receiver together.
func BenchmarkStream(b *testing.B) {
	const streams, messages = 1000, 5 * 3600
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		var l Ledger
		rng := rand.New(rand.NewPCG(1, 2))
		for c := range int32(streams) {
			l.Declare(c, []int32{c})
		}
		for seq := uint32(1); seq <= messages; seq++ {
			for c := range int32(streams) {
				l.Sent(c, seq)
				l.Acked(c, seq)
				if rng.IntN(500) > 0 {
					l.Received(c, c, seq)
				}
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(&l)
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/streams, "B/stream")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/streams/messages, "ns/message")
}

// TestAddRange: ranges in any order leave what single numbers leave.
func TestAddRange(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 13))
	for range 300 {
		var ranges, singles Set
		for range rng.IntN(12) {
			lo := uint32(rng.IntN(60))
			hi := uint32(max(int(lo)+rng.IntN(12)-2, 0))
			ranges.AddRange(lo, hi)
			for n := lo; n <= hi && hi < 1<<31; n++ {
				singles.Add(n)
			}
			if diff := gocmp.Diff(singles.spans, ranges.spans, gocmp.AllowUnexported(span{})); diff != "" || singles.Len() != ranges.Len() {
				t.Fatalf("after [%d, %d], of %d and %d (-singles +ranges):\n%s", lo, hi, singles.Len(), ranges.Len(), diff)
			}
		}
	}
}
