package tune

import (
	"fmt"
	"math"
	"strings"
)

// marks of a plot, the later ones over the earlier ones.
type marks struct{ beaten, front, now, ship rune }

var (
	drawn = marks{'·', 'o', 'N', 'S'}
	ascii = marks{'.', 'o', 'N', 'S'}
)

// Plot draws all simulated settings with objective x to the right and y upwards, both on logarithmic scales, in cells of
// width columns and height lines. It is empty if one of them was not measured, or is the same for all.
func (st *Study) Plot(x, y Objective, width, height int, plain bool) string {
	m := drawn
	if plain {
		m = ascii
	}
	sx, sy := st.axis(x), st.axis(y)
	if sx == nil || sy == nil || width < 10 || height < 2 {
		return ""
	}
	cells := make([][]rune, height)
	for i := range cells {
		cells[i] = []rune(strings.Repeat(" ", width))
	}
	put := func(i int, mark rune) {
		if i < 0 || st.Candidates[i].Refused != "" {
			return
		}
		v := &st.Candidates[i].Score.Values
		cx, ok1 := sx.cell(v[x], width)
		cy, ok2 := sy.cell(v[y], height)
		if ok1 && ok2 {
			cells[height-1-cy][cx] = mark
		}
	}
	for _, front := range []bool{false, true} {
		for i := range st.Candidates {
			if st.Candidates[i].Front == front {
				put(i, map[bool]rune{false: m.beaten, true: m.front}[front])
			}
		}
	}
	put(0, m.now)
	put(st.Best, m.ship)
	var b strings.Builder
	fmt.Fprintf(&b, "%s over %s: %c now, %c ship, %c not beaten in all, %c beaten\n", title(y), x.Title(), m.now, m.ship, m.front, m.beaten)
	for i, row := range cells {
		label := ""
		switch i {
		case 0:
			label = y.Format(sy.hi)
		case height - 1:
			label = y.Format(sy.lo)
		}
		b.WriteString(strings.TrimRight(fmt.Sprintf("  %10s |%s", label, string(row)), " ") + "\n")
	}
	left, right := x.Format(sx.lo), x.Format(sx.hi)
	gap := max(width-len([]rune(left))-len([]rune(right)), 1)
	fmt.Fprintf(&b, "  %10s +%s\n  %10s  %s%s%s", "", strings.Repeat("-", width), "", left, strings.Repeat(" ", gap), right)
	return b.String()
}

func title(o Objective) string {
	t := o.Title()
	return strings.ToUpper(t[:1]) + t[1:]
}

// span is the range of an objective over the simulated settings, without what is zero or never happened.
type span struct{ lo, hi float64 }

func (st *Study) axis(o Objective) *span {
	s := span{math.Inf(1), math.Inf(-1)}
	for i := range st.Candidates {
		if v := st.Candidates[i].Score.Values[o]; st.Candidates[i].Refused == "" && v > 0 && !math.IsInf(v, 1) {
			s.lo, s.hi = min(s.lo, v), max(s.hi, v)
		}
	}
	if s.hi/s.lo > 1+Resolution {
		return &s
	}
	return nil
}

// cell is where the value falls among n cells. Zero is at the lower end; what never happened is not drawn.
func (s *span) cell(v float64, n int) (int, bool) {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 1):
		return 0, false
	case v <= s.lo:
		return 0, true
	}
	return min(int(math.Log(v/s.lo)/math.Log(s.hi/s.lo)*float64(n)), n-1), true
}
