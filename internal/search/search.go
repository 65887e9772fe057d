package search

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// Outcome is what came of trying a number.
type Outcome int

const (
	Pass    Outcome = iota // the target holds so many
	Fail                   // it does not
	Unclear                // the test could not tell: try again
	Beyond                 // the test cannot be made with so many, and never will be
	outcomes
)

// Config says between which numbers to search and how sure to be.
type Config struct {
	Min, Max  int     // try no less and no more; 1 <= Min <= Max
	Start     int     // the first number; Min <= Start <= Max
	Precision float64 // how near the edge must be bracketed, relative to it; 0 <= Precision <= 1, 0: to the very number
	Confirm   int     // how often either side of the edge must repeat its answer; >= 0
	Repeats   int     // how often an unclear number is tried again; >= 0
}

// Check says what is wrong with the configuration.
func (c *Config) Check() error {
	switch {
	case c.Min < 1:
		return errors.New("the smallest number must be at least 1")
	case c.Max < c.Min:
		return fmt.Errorf("the largest number %d is below the smallest, %d", c.Max, c.Min)
	case c.Max > math.MaxInt/4:
		return errors.New("the largest number is too large")
	case c.Start < c.Min || c.Start > c.Max:
		return fmt.Errorf("the first number %d is not within %d and %d", c.Start, c.Min, c.Max)
	case !(c.Precision >= 0 && c.Precision <= 1):
		return errors.New("the precision must be from 0 to 1")
	case c.Confirm < 0 || c.Confirm > 100:
		return errors.New("confirmations must be from 0 to 100")
	case c.Repeats < 0 || c.Repeats > 100:
		return errors.New("repeats must be from 0 to 100")
	}
	return nil
}

// lead is by how many votes a side must be ahead.
func (c *Config) lead() int { return 1 + c.Confirm }

// votes is after how many a number without such a lead flaps.
func (c *Config) votes() int { return 3 + 2*c.Confirm }

// free surprises do not widen the bisection.
const free = 3

// Most is an upper bound of how many observations any search of this configuration takes, whatever is answered.
//
// There are at most 2 log2(Max) numbers of growth and of gallop. A bisection of two neighbours among them takes
// log2(1/Precision) numbers, and is begun anew at most once for every surprise, of which there are no more than free plus
// log2(2/Precision) until the tolerance is so wide that nothing is bisected; after that each surprise uses up a number
// that is there already.
func (c *Config) Most() int {
	fine := max(c.Precision, 1/float64(c.Max))
	halvings := int(math.Ceil(math.Log2(1/fine))) + 2
	grown := 2*bits.Len(uint(c.Max)) + 2
	numbers := grown + (free+halvings+1)*(halvings+grown)
	return numbers * (c.votes() + c.Repeats + 1)
}

// Tally counts what one number has answered.
type Tally struct {
	N                     int
	Passed, Failed, Blank int
	Beyond                bool
}

// Search is one search. The zero value is not usable; see [New].
type Search struct {
	c     Config
	tally []Tally // ascending by N
}

// New begins a search.
func New(c Config) (*Search, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	return &Search{c: c}, nil
}

// Observe adds an observation. Numbers outside of Min and Max count as well: a search may have had other limits before.
func (s *Search) Observe(n int, o Outcome) error {
	if n < 1 || n > math.MaxInt/4 {
		return fmt.Errorf("%d cannot have been tried", n)
	}
	if o < 0 || o >= outcomes {
		return fmt.Errorf("outcome %d is unknown", o)
	}
	i, found := slices.BinarySearchFunc(s.tally, n, func(t Tally, n int) int { return t.N - n })
	if !found {
		s.tally = slices.Insert(s.tally, i, Tally{N: n})
	}
	switch t := &s.tally[i]; o {
	case Pass:
		t.Passed++
	case Fail:
		t.Failed++
	case Unclear:
		t.Blank++
	case Beyond:
		t.Beyond = true
	}
	return nil
}

// Tallies are all numbers that were tried, ascending.
func (s *Search) Tallies() []Tally { return slices.Clone(s.tally) }

// Next is the number to try now; done is true when the answer is known.
func (s *Search) Next() (n int, done bool) {
	v := s.view()
	return v.next, v.next == 0
}
