package capacity

import (
	"fmt"
	"strings"

	"github.com/flatline-dev/flatline/internal/search"
)

// headline is the answer in one sentence.
func (r *Report) headline() string {
	holds, fails := clients(r.Holds), count(int64(r.Fails))
	switch r.edge {
	case search.Open:
		switch {
		case len(r.Probes) == 0:
			return "nothing is known yet"
		case r.Holds > 0 && r.Fails > 0:
			return fmt.Sprintf("not finished: so far it held %s and did not hold %s", holds, fails)
		case r.Holds > 0:
			return "not finished: so far it held " + holds
		case r.Fails > 0:
			return fmt.Sprintf("not finished: so far it did not hold %s", fails)
		}
		return "not finished: no probe has told anything yet"
	case search.Nothing:
		return fmt.Sprintf("the target does not even hold %s", clients(r.Fails))
	case search.Unknown:
		return "no number of clients could be told"
	case search.Ceiling:
		if c := r.Ceiling; c != nil && r.Holds >= c.Clients {
			return fmt.Sprintf("the target holds at least %s: this machine cannot drive more", holds)
		}
		return fmt.Sprintf("the target holds at least %s: more were not asked for (--max)", holds)
	case search.Limit:
		return r.orNothing(fmt.Sprintf("the target holds at least %s: this machine cannot drive %s", holds, fails))
	case search.Blurred:
		if k := r.Knee; k != nil && k.Clients > r.Fails && r.Holds > 0 {
			return fmt.Sprintf("the target holds at least %s: with %s this machine cannot tell, with %s it failed", holds, fails, count(int64(k.Clients)))
		}
		return r.orNothing(fmt.Sprintf("the target holds at least %s: with %s this machine cannot tell any more", holds, fails))
	case search.Ragged:
		switch {
		case r.Holds == 0:
			return "the target holds no number of clients reliably"
		case r.Fails == 0:
			return fmt.Sprintf("the target holds %s reliably, and more now and then", holds)
		}
		return fmt.Sprintf("the target holds %s reliably and %s never; in between it depends", holds, fails)
	}
	if r.AtLeast {
		return fmt.Sprintf("the target holds at least %s: with %s this machine, which it shares with flatline, was the limit", holds, fails)
	}
	return fmt.Sprintf("the target holds %s and not %s", holds, fails)
}

func (r *Report) orNothing(s string) string {
	if r.Holds == 0 {
		return "no number of clients was held, and larger ones could not be told"
	}
	return s
}

func attempts(n int64) string {
	if n == 1 {
		return "1 connection attempt"
	}
	return count(n) + " connection attempts"
}

func clients(n int) string {
	if n == 1 {
		return "1 client"
	}
	return count(int64(n)) + " clients"
}

// fix is what would let the search go further where the target was not what ended it.
func (r *Report) fix() string {
	switch r.edge {
	case search.Ceiling:
		if c := r.Ceiling; c != nil && r.Holds >= c.Clients {
			return strings.TrimSpace(c.Why + "\n" + c.Fix)
		}
		return fmt.Sprintf("continue with a larger --max: %s --max N", r.Resume)
	case search.Limit:
		for i := range r.Probes {
			if p := &r.Probes[i]; p.Clients == r.Fails && p.Verdict == TooLarge {
				return strings.TrimSpace(strings.Join(p.Reasons, "; ") + "\n" + p.Fix)
			}
		}
	case search.Blurred, search.Unknown:
		return "flatline itself was too late to tell: run it on a machine of its own, with more cores or fewer other processes"
	}
	if r.AtLeast {
		return "put the target on a machine of its own: url, or url with pid"
	}
	return ""
}

// sentence is the knee in words.
func (k *Knee) sentence() string {
	const most = 3
	what := k.Reasons
	if len(what) == 0 {
		what = []string{"the target failed"}
	}
	s := fmt.Sprintf("at %s: %s", clients(k.Clients), strings.Join(what[:min(len(what), most)], "; "))
	if n := len(what) - most; n > 0 {
		s += fmt.Sprintf("; and %d more", n)
	}
	return s
}
