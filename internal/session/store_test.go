package session

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// stores runs a test against each kind of store. open gives another view of the same messages; the one in memory has one
// view only.
func stores(t *testing.T, o Options, test func(t *testing.T, open func() Store)) {
	t.Run("memory", func(t *testing.T) {
		began := time.Now()
		s := NewMemory(o, func() time.Duration { return time.Since(began) })
		t.Cleanup(func() { s.Close() })
		test(t, func() Store { return s })
	})
	t.Run("jetstream", func(t *testing.T) {
		b := broker(t)
		test(t, func() Store {
			s, err := OpenJetStream(t.Context(), b.URL(), "run1", o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			return s
		})
	})
}

func broker(t testing.TB) *Broker {
	t.Helper()
	b, err := StartBroker(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// store stores messages and waits until all are.
func store(t testing.TB, s Store, ms ...Message) {
	t.Helper()
	var wait sync.WaitGroup
	for i := range ms {
		wait.Add(1)
		s.Put(&ms[i], func(err error) {
			if err != nil {
				t.Errorf("%+v: %v", ms[i], err)
			}
			wait.Done()
		})
	}
	wait.Wait()
}

func message(from int32, seq uint32, to string) Message {
	return Message{From: from, Seq: seq, Sent: int64(seq) * 1000, To: to, Pad: fmt.Sprintf("pad of %d", seq)}
}

func TestStore(t *testing.T) {
	t.Parallel()
	stores(t, Options{}, func(t *testing.T, open func() Store) {
		s, other := open(), open()
		var mu sync.Mutex
		var heard []Message
		if err := other.Follow(func(m *Message) { mu.Lock(); heard = append(heard, *m); mu.Unlock() }); err != nil {
			t.Fatal(err)
		}
		var all []Message
		for i := range uint32(50) {
			all = append(all, message(int32(i%3), i/3+1, []string{"7", "#a.b *>", "-", "8"}[i%4]))
			store(t, s, all[i])
		}
		server := message(ServerItself, 1, "7")
		store(t, s, server)
		all = append(all, server)
		for i := range all {
			all[i].Pos = uint32(i + 1)
		}
		until(t, "everything is heard", func() bool { mu.Lock(); defer mu.Unlock(); return len(heard) == len(all) })
		if diff := cmp.Diff(all, heard); diff != "" {
			t.Errorf("heard (-put +heard):\n%s", diff)
		}
		want := func(pos uint32, most int, to ...string) (out []Message) {
			for _, m := range all {
				if m.Pos > pos && slices.Contains(to, m.To) && len(out) < most {
					out = append(out, m)
				}
			}
			return out
		}
		for _, q := range []struct {
			to   []string
			pos  uint32
			most int
		}{{[]string{"7"}, 0, 100}, {[]string{"7"}, 3, 4}, {[]string{"#a.b *>", "8"}, 2, 7}, {[]string{"7", "8", "#a.b *>"}, 20, 100}, {[]string{"9"}, 0, 10}, {[]string{"7"}, 51, 10}} {
			got, err := other.After(q.to, q.pos, q.most)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want(q.pos, q.most, q.to...), got); diff != "" {
				t.Errorf("after %d to %v, at most %d (-want +got):\n%s", q.pos, q.to, q.most, diff)
			}
		}
		for from, want := range []uint32{17, 17, 16, 0} {
			if n, err := other.Seen(int32(from)); n != want || err != nil {
				t.Errorf("seen of %d: %d, %v; want %d", from, n, err, want)
			}
		}
		until(t, "it is current", s.Current)
		if n, err := s.Last(); n != uint32(len(all)) || err != nil {
			t.Errorf("the last is %d, %v; want %d", n, err, len(all))
		}
		// A gap: nobody may promise what is not there.
		store(t, s, Message{From: 5, Seq: 1, To: "-"}, Message{From: 5, Seq: 3, To: "-"})
		until(t, "the first is seen", func() bool { n, err := other.Seen(5); return n == 1 && err == nil })
		if n, err := other.Seen(5); n != 1 || err != nil {
			t.Errorf("seen with a gap: %d, %v", n, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		result := make(chan error, 1)
		s.Put(&all[0], func(err error) { result <- err })
		if err := <-result; !errors.Is(err, ErrClosed) {
			t.Errorf("put after close: %v", err)
		}
	})
}

func TestDedupAndRetain(t *testing.T) {
	t.Parallel()
	stores(t, Options{Dedup: time.Second, Retain: 2 * time.Second}, func(t *testing.T, open func() Store) {
		s := open()
		m := message(1, 1, "2")
		store(t, s, m, m, m, message(2, 1, "2"))
		until(t, "both are there", func() bool { got, err := s.After([]string{"2"}, 0, 10); return err == nil && len(got) == 2 })
		until(t, "all is forgotten", func() bool {
			got, err := s.After([]string{"2"}, 0, 10)
			return err == nil && len(got) == 0
		})
		store(t, s, m) // beyond both
		until(t, "it is stored again", func() bool {
			got, err := s.After([]string{"2"}, 0, 10)
			return err == nil && len(got) == 1 && got[0].Pos > 2
		})
	})
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// TestPartition: several servers on one stream are cut off and healed at random while clients publish through all of them.
// Whatever was acknowledged is there, once and in one order, and who reads on behind a position misses nothing.
func TestPartition(t *testing.T) {
	t.Parallel()
	b := broker(t)
	const nodes, publishers, each = 3, 6, 80
	type reader struct {
		mu  sync.Mutex
		got []Message
	}
	var all [nodes]*JetStream
	var readers [nodes]*reader
	for i := range nodes {
		s, err := OpenJetStream(t.Context(), b.URL(), "run", Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		r := &reader{}
		all[i], readers[i] = s, r
		err = s.Follow(func(m *Message) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.got = append(r.got, *m)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	acked := map[string]bool{}
	ctx, stop := context.WithCancel(t.Context())
	var chaos, work sync.WaitGroup
	rng := rand.New(rand.NewPCG(1, 2))
	cuts := make([]time.Duration, 40)
	for i := range cuts {
		cuts[i] = time.Duration(rng.IntN(100)) * time.Millisecond
	}
	chaos.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			s := all[i%nodes]
			s.Partition(true)
			time.Sleep(cuts[i%len(cuts)])
			s.Partition(false)
		}
	})
	for p := range publishers {
		work.Go(func() {
			for seq := uint32(1); seq <= each; {
				result := make(chan error, 1)
				m := message(int32(p), seq, "1")
				all[(p+int(seq))%nodes].Put(&m, func(err error) { result <- err })
				if err := <-result; err == nil {
					mu.Lock()
					acked[fmt.Sprint(p, " ", seq)] = true
					mu.Unlock()
					seq++
				}
			}
		})
	}
	work.Wait()
	stop()
	chaos.Wait()
	late, err := OpenJetStream(t.Context(), b.URL(), "run", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	read := func(s Store) (got []Message) {
		for pos := uint32(0); ; {
			part, err := s.After([]string{"1"}, pos, 100)
			if err != nil {
				t.Fatal(err)
			}
			if len(part) == 0 {
				return got
			}
			got = append(got, part...)
			pos = part[len(part)-1].Pos
		}
	}
	until(t, "a store that opens late knows all", func() bool {
		there := map[string]bool{}
		for _, m := range read(late) {
			there[fmt.Sprint(m.From, " ", m.Seq)] = true
		}
		for id := range acked {
			if !there[id] {
				return false
			}
		}
		return true
	})
	// What was stored and never acknowledged may come behind: all have heard the last one.
	last := message(0, each+1, "1")
	store(t, late, last)
	var want []Message
	until(t, "the last is known", func() bool {
		want = read(late)
		return want[len(want)-1].Seq == each+1
	})
	there := map[string]bool{}
	for k, m := range want {
		there[fmt.Sprint(m.From, " ", m.Seq)] = true
		if k > 0 && m.Pos <= want[k-1].Pos {
			t.Fatalf("%d behind %d", m.Pos, want[k-1].Pos)
		}
	}
	for id := range acked {
		if !there[id] {
			t.Errorf("%s was acknowledged and is not there", id)
		}
	}
	for i, r := range readers {
		until(t, "all is heard", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.got) >= len(want) })
		r.mu.Lock()
		got := slices.Clone(r.got[:len(want)])
		r.mu.Unlock()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("node %d (-stored +heard):\n%s", i, diff)
		}
		if diff := cmp.Diff(want, read(all[i])[:len(want)]); diff != "" {
			t.Errorf("node %d (-stored +known):\n%s", i, diff)
		}
	}
	if len(acked) != publishers*each {
		t.Errorf("%d acknowledged", len(acked))
	}
}

// TestLongPartition: behind a cut what is put ends with an error, nothing hangs, and everything goes on when the
// way is free again.
func TestLongPartition(t *testing.T) {
	t.Parallel()
	b := broker(t)
	s, err := OpenJetStream(t.Context(), b.URL(), "run", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	store(t, s, message(1, 1, "1"))
	s.Partition(true)
	result := make(chan error, 1)
	m := message(1, 2, "1")
	s.Put(&m, func(err error) { result <- err })
	if err := <-result; err == nil {
		t.Error("stored through a cut")
	}
	until(t, "the connection counts as dead", func() bool { return !s.nc.IsConnected() })
	s.Partition(false)
	until(t, "it takes messages again", func() bool {
		m := message(1, 3, "1")
		result := make(chan error, 1)
		s.Put(&m, func(err error) { result <- err })
		return <-result == nil
	})
	until(t, "they are known", func() bool {
		got, err := s.After([]string{"1"}, 0, 10)
		return err == nil && len(got) >= 2 && got[len(got)-1].Seq == 3
	})
}

func FuzzEncode(f *testing.F) {
	f.Add(int32(1), uint32(2), int64(3), "#a.b", "pad with spaces")
	f.Add(ServerItself, uint32(2), int64(-3), "-", "")
	f.Fuzz(func(t *testing.T, from int32, seq uint32, sent int64, to string, pad string) {
		if from < ServerItself || strings.TrimLeft(to, "0123456789") != "" && to != "-" && !strings.HasPrefix(to, "#") || to == "" {
			return
		}
		m := Message{From: from, Seq: seq, Sent: sent, To: to, Pad: pad}
		subject := token(to) + "." + publisher(from)
		if strings.Count(subject, ".") != 1 || strings.ContainsAny(subject, "*> \t\r\n") {
			t.Fatalf("subject %q", subject)
		}
		var back Message
		if !decode(subject, encode(&m), &back) || back != m {
			t.Errorf("%+v came back as %+v", m, back)
		}
	})
}

func BenchmarkPut(b *testing.B) {
	bench := func(b *testing.B, s Store) {
		all := make(chan struct{}, 1<<14)
		var wait sync.WaitGroup
		wait.Add(b.N)
		if err := s.Follow(func(*Message) { wait.Done() }); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for i := range b.N {
			all <- struct{}{}
			m := Message{From: int32(i % 2000), Seq: uint32(i/2000 + 1), To: "17", Pad: "0123456789012345678901234567890123456789"}
			s.Put(&m, func(err error) {
				if err != nil {
					b.Error(err)
				}
				<-all
			})
		}
		wait.Wait()
		for range cap(all) { // every one is acknowledged too
			all <- struct{}{}
		}
	}
	b.Run("memory", func(b *testing.B) {
		bench(b, NewMemory(Options{}, func() time.Duration { return 0 }))
	})
	b.Run("jetstream", func(b *testing.B) {
		s, err := OpenJetStream(b.Context(), broker(b).URL(), "run", Options{})
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		bench(b, s)
	})
}

// BenchmarkCatchUp: what a node reads when it comes back, in messages.
func BenchmarkCatchUp(b *testing.B) {
	br := broker(b)
	s, err := OpenJetStream(b.Context(), br.URL(), "run", Options{Retain: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	room := make(chan struct{}, 1<<12)
	for i := range b.N {
		room <- struct{}{}
		m := Message{From: int32(i % 2000), Seq: uint32(i/2000 + 1), To: "17", Pad: "0123456789012345678901234567890123456789"}
		s.Put(&m, func(error) { <-room })
	}
	for range cap(room) {
		room <- struct{}{}
	}
	b.ResetTimer()
	late, err := OpenJetStream(b.Context(), br.URL(), "run", Options{Retain: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	defer late.Close()
	for {
		late.mu.Lock()
		last := late.last
		late.mu.Unlock()
		if int(last) >= b.N {
			return
		}
		time.Sleep(time.Millisecond)
	}
}
