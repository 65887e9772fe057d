package scenario

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
)

const three = `
name: three
target: {serve: {}}
clients:
  - {group: a, count: 100, profile: heartcheck}
  - {group: b, count: 30, profile: heartcheck}
  - {group: c, count: 1, profile: heartcheck}
chaos:
  - {at: 1s, fault: kill, how: rst, clients: 10}
  - {at: 2s, fault: kill, how: rst, clients: 15 of b}
  - {at: 3s, fault: kill, how: rst, clients: 10%}
`

func planned(t *testing.T, text string) *Plan {
	t.Helper()
	f, err := Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := f.Plan()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestScaled(t *testing.T) {
	p := planned(t, three)
	hash := p.Hash()
	for range 200 {
		n := 3 + rand.IntN(3000)
		q, err := p.Scaled(n)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0
		for i, g := range q.Groups {
			if g.First != sum || g.Count < 1 {
				t.Fatalf("%d clients: group %s has %d from %d, want at least 1 from %d", n, g.Name, g.Count, g.First, sum)
			}
			if want := float64(n) * float64(p.Groups[i].Count) / 131; float64(g.Count) < want-2 || float64(g.Count) > want+2 && g.Count > 1 {
				t.Errorf("%d clients: group %s has %d, want %.1f", n, g.Name, g.Count, want)
			}
			sum += g.Count
		}
		if sum != n || q.Clients != n {
			t.Fatalf("groups of %d in all, %d clients, want %d", sum, q.Clients, n)
		}
		for i := range q.Faults {
			if k := q.Faults[i].Clients.Count; i < 2 && q.Victims(i).Len() != k {
				t.Errorf("%d clients: fault %d hits %d, selects %d", n, i, q.Victims(i).Len(), k)
			}
		}
	}
	q, err := p.Scaled(10_000_000)
	if err != nil {
		t.Fatal(err)
	}
	if n := q.Victims(1).Len(); n < 1_145_036 || n > 1_145_040 {
		t.Errorf("half of b is %d, want about 1145038", n)
	}
	text, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	var back Plan
	if err := json.Unmarshal(text, &back); err != nil || back.Hash() != q.Hash() {
		t.Errorf("it does not come back from a Result: %v", err)
	}
	if p.Hash() != hash || q.Hash() == hash {
		t.Error("the plan itself was scaled")
	}
	for n, part := range map[int]string{2: "too few for 3 groups", MaxSimulated + 1: "too many"} {
		if _, err := p.Scaled(n); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%d clients: %v, want %q", n, err, part)
		}
	}
}
