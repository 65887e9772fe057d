package capacity

// Line is a straight line through points: y = Each x + Base.
type Line struct {
	Each   float64 `json:"each"` // per client
	Base   float64 `json:"base"` // with no client at all
	R2     float64 `json:"r2"`   // share of the variance that the line explains; 1 if there is none to explain
	Points int     `json:"points"`
	From   int     `json:"from"` // clients of the smallest and the largest probe
	To     int     `json:"to"`
}

// At is the line's value for so many clients.
func (l *Line) At(clients int) float64 { return l.Each*float64(clients) + l.Base }

// fit is ordinary least squares: Each = Sxy / Sxx, Base = mean y - Each x mean x, R2 = Sxy^2 / (Sxx Syy). It takes three
// points of three different numbers of clients at least; nil below that.
func fit(clients []int, y []float64) *Line {
	n := float64(len(y))
	distinct := map[int]bool{}
	var mx, my float64
	for i, c := range clients {
		distinct[c] = true
		mx += float64(c) / n
		my += y[i] / n
	}
	if len(distinct) < 3 {
		return nil
	}
	l := &Line{Points: len(y), From: clients[0], To: clients[0], R2: 1}
	var sxx, sxy, syy float64
	for i, c := range clients {
		dx, dy := float64(c)-mx, y[i]-my
		sxx, sxy, syy = sxx+dx*dx, sxy+dx*dy, syy+dy*dy
		l.From, l.To = min(l.From, c), max(l.To, c)
	}
	l.Each = sxy / sxx
	l.Base = my - l.Each*mx
	if syy > 0 {
		l.R2 = sxy * sxy / (sxx * syy)
	}
	return l
}

// Cost is what a client costs the target, from the probes that passed. A nil line was not measured, or in too few sizes.
type Cost struct {
	RSS  *Line `json:"rss,omitempty"`   // bytes, at the peak of the run
	FDs  *Line `json:"fds,omitempty"`   // open files, at the peak of the run
	CPU  *Line `json:"cpu,omitempty"`   // cores, before the first fault
	Seen bool  `json:"process_visible"` // flatline saw the target's process
}

func cost(probes []Probe) (c Cost) {
	line := func(names ...string) *Line {
		var x []int
		var y []float64
		for i := range probes {
			p := &probes[i]
			for _, name := range names {
				if v, ok := p.figure(name); ok {
					c.Seen = true
					if p.Verdict == Pass {
						x, y = append(x, p.Clients), append(y, v)
					}
					break
				}
			}
		}
		return fit(x, y)
	}
	c.RSS = line("target.rss")
	c.FDs = line("target.fds")
	c.CPU = line("target.cpu during baseline", "target.cpu")
	return c
}
