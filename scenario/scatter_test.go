package scenario

import (
	"math"
	"testing"
	"time"
)

// derived are the figures of an independent re-statement of each client's default formula, 10^5 samples: the mean delay
// before attempts 1, 4 and 8 in milliseconds, and the largest share of the clients in one bin of 100 ms. After whose
// loss of an open connection an attempt at once comes, the count begins behind it. A negative mean: it has given up.
var derived = map[string]struct {
	mean [3]float64
	peak [3]float64
}{
	"ably":                   {[3]float64{13503, 27002, 26991}, [3]float64{0.035, 0.018, 0.018}},
	"actioncable":            {[3]float64{8997, 9810, 17155}, [3]float64{0.018, 0.075, 0.043}},
	"anycable":               {[3]float64{4499, 35972, 574893}, [3]float64{0.024, 0.003, 0.000}},
	"centrifuge":             {[3]float64{751, 2502, 10491}, [3]float64{0.201, 0.027, 0.024}},
	"convex":                 {[3]float64{100, 801, 12786}, [3]float64{0.501, 0.126, 0.009}},
	"discord-py":             {[3]float64{999, 7995, 127637}, [3]float64{0.051, 0.007, 0.001}},
	"graphql-ws":             {[3]float64{2651, 9645, 129651}, [3]float64{0.038, 0.038, 0.038}},
	"homeassistant":          {[3]float64{0, 3000, 5000}, [3]float64{1, 1, 1}},
	"liveblocks":             {[3]float64{250, 2000, 10000}, [3]float64{1, 1, 1}},
	"mattermost":             {[3]float64{4002, 4000, 193002}, [3]float64{0.051, 0.051, 0.051}},
	"mqtt":                   {[3]float64{1000, 1000, 1000}, [3]float64{1, 1, 1}},
	"nats":                   {[3]float64{2500, 2500, 2500}, [3]float64{0.101, 0.101, 0.101}},
	"partysocket":            {[3]float64{3000, 6591, 10000}, [3]float64{1, 1, 1}},
	"phoenix":                {[3]float64{10, 150, 1000}, [3]float64{1, 1, 1}},
	"python-websockets":      {[3]float64{2501, 8116, 55620}, [3]float64{0.021, 1, 1}},
	"reconnecting-websocket": {[3]float64{2996, 6540, 9726}, [3]float64{0.026, 0.113, 0.852}},
	"signalr":                {[3]float64{0, 30000, -1}, [3]float64{1, 1, 0}},
	"slack":                  {[3]float64{5000, 20000, 40000}, [3]float64{1, 1, 1}},
	"socket.io":              {[3]float64{1025, 4960, 5000}, [3]float64{0.104, 0.899, 1}},
	"socketcluster":          {[3]float64{15018, 49783, 60000}, [3]float64{0.011, 0.221, 1}},
	"sockette":               {[3]float64{1000, 1000, 1000}, [3]float64{1, 1, 1}},
	"stomp":                  {[3]float64{5000, 5000, 5000}, [3]float64{1, 1, 1}},
	"supabase":               {[3]float64{1000, 10000, 10000}, [3]float64{1, 1, 1}},
	"y-websocket":            {[3]float64{200, 1600, 2500}, [3]float64{1, 1, 1}},
}

// TestScatterOfProfiles: every profile's policy, as the machine draws it, has the figures of the client it stands for,
// within 2 % of the mean and 0.01 of the share.
func TestScatterOfProfiles(t *testing.T) {
	for name, want := range derived {
		cfg, _, err := Profile(name)
		if err != nil {
			t.Fatal(err)
		}
		r := cfg.Reconnect
		if name == "graphql-ws" { // attempt 8 is beyond its own limit: there, the formula goes on
			r.MaxAttempts = 0
		}
		for i, n := range []int{1, 4, 8} {
			s, ok := r.Scatter(n, 100_000, 100*time.Millisecond, 1)
			if mean := want.mean[i]; !ok || mean < 0 {
				if ok || mean >= 0 {
					t.Errorf("%s, attempt %d: made %v, want %v ms", name, n, ok, mean)
				}
				continue
			}
			mean := float64(s.Mean) / float64(time.Millisecond)
			if math.Abs(mean-want.mean[i]) > 0.02*want.mean[i] {
				t.Errorf("%s, attempt %d: mean %.0f ms, want %.0f", name, n, mean, want.mean[i])
			}
			if math.Abs(s.Peak-want.peak[i]) > 0.01 {
				t.Errorf("%s, attempt %d: peak share %.3f, want %.3f", name, n, s.Peak, want.peak[i])
			}
		}
	}
}
