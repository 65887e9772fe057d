package heartbeat

import (
	"math"
	"math/rand/v2"
	"time"
)

// ArrivalKind is the process by which messages come due.
type ArrivalKind uint8

const (
	Constant ArrivalKind = iota // one every 1/Rate, each client at its own phase
	Poisson                     // independent of each other: the gaps are exponential with mean 1/Rate
	Bursts                      // Burst at once, every Burst/Rate, each client at its own phase
)

// SizeKind is the distribution of the sizes of messages.
type SizeKind uint8

const (
	FixedSize   SizeKind = iota // Size
	UniformSize                 // U[Size, SizeMax]
	LogNormal                   // Size x exp(Sigma x N(0, 1)), at most SizeMax: Size is the median
)

// Arrivals goes through the messages of one client in the order in which they come due: their number, moment and size. Two
// that begin with the same generator say the same, which is how the accounts know what was due without asking the client.
type Arrivals struct {
	t    *Traffic
	rng  rand.PCG
	next time.Duration
	seq  uint32
	left int // of a burst
	size int
}

// Arrivals begins a client's messages.
func (t *Traffic) Arrivals(rng rand.PCG) Arrivals {
	a := Arrivals{t: t, rng: rng, next: None}
	if t.Rate <= 0 {
		return a
	}
	a.next = t.Start
	if t.Process == Poisson {
		a.next = after(t.Start, a.gap())
	} else {
		a.next = after(t.Start, scale(a.period(), a.uniform()))
	}
	a.arrive()
	return a
}

// Due is when the next message comes due, None after the last.
func (a *Arrivals) Due() time.Duration { return a.next }

// Seq is the number of the next message.
func (a *Arrivals) Seq() uint32 { return a.seq }

// Size is how many bytes the next message has.
func (a *Arrivals) Size() int { return a.size }

// Pop goes to the message after.
func (a *Arrivals) Pop() {
	if a.next == None {
		return
	}
	switch {
	case a.t.Process == Poisson:
		a.next = after(a.next, a.gap())
	case a.left > 1:
		a.left--
	default:
		a.next, a.left = after(a.next, a.period()), 0
	}
	a.arrive()
}

// arrive numbers the message at next, if there is one.
func (a *Arrivals) arrive() {
	if a.next >= a.t.Stop || a.seq == math.MaxUint32 {
		a.next = None
		return
	}
	a.seq++
	if a.t.Process == Bursts && a.left == 0 {
		a.left = max(a.t.Burst, 1)
	}
	t := a.t
	switch t.Sizes {
	case FixedSize:
		a.size = t.Size
	case UniformSize:
		a.size = t.Size + int(a.uniform()*float64(t.SizeMax-t.Size+1))
	case LogNormal: // Box, Muller: A Note on the Generation of Random Normal Deviates, 1958
		z := math.Sqrt(-2*math.Log(1-a.uniform())) * math.Cos(2*math.Pi*a.uniform())
		a.size = int(min(float64(t.Size)*math.Exp(t.Sigma*z), float64(t.SizeMax)))
	}
}

// period is the time between two messages, or between two bursts.
func (a *Arrivals) period() time.Duration {
	p := float64(time.Second) / a.t.Rate
	if a.t.Process == Bursts {
		p *= float64(max(a.t.Burst, 1))
	}
	return max(scale(1, p), 1)
}

func (a *Arrivals) gap() time.Duration {
	return max(scale(time.Second, -math.Log(1-a.uniform())/a.t.Rate), 1)
}

func (a *Arrivals) uniform() float64 { return float64(a.rng.Uint64()>>11) / (1 << 53) }
