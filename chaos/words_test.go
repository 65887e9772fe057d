package chaos

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestFormatDuration(t *testing.T) {
	for _, tt := range []struct {
		d    time.Duration
		want string
	}{
		{0, "0s"}, {time.Nanosecond, "1ns"}, {1500 * time.Microsecond, "1.5ms"}, {250 * time.Millisecond, "250ms"},
		{time.Second, "1s"}, {1500 * time.Millisecond, "1.5s"}, {60 * time.Second, "60s"}, {65 * time.Second, "65s"},
		{90 * time.Second, "90s"}, {61500 * time.Millisecond, "61.5s"}, {119 * time.Second, "119s"},
		{2 * time.Minute, "2m"}, {150 * time.Second, "2m30s"}, {time.Hour, "1h"}, {90 * time.Minute, "1h30m"},
		{time.Hour + time.Second, "1h0m1s"}, {10 * time.Minute, "10m"}, {-65 * time.Second, "-65s"}, {-time.Hour, "-1h"},
		{-61500 * time.Millisecond, "-61.5s"},
	} {
		if got := FormatDuration(tt.d); got != tt.want {
			t.Errorf("FormatDuration(%d) = %q, want %q", tt.d, got, tt.want)
		}
	}
}

func TestDurationRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		d := time.Duration(rng.Int64() >> rng.IntN(63))
		if rng.IntN(3) == 0 {
			d -= d % time.Second
		}
		if rng.IntN(2) == 0 {
			d = -d
		}
		s := FormatDuration(d)
		if got, err := ParseDuration(s); err != nil || got != d {
			t.Fatalf("%d prints as %q, which reads as %d, %v", d, s, got, err)
		}
	}
}

func TestParseDurationErrors(t *testing.T) {
	for in, want := range map[string]string{
		"5":   `duration "5" has no unit; hint: 5s`,
		"abc": `"abc" is not a duration; hint: 10s, 250ms, 1m30s`,
		"":    `"" is not a duration; hint: 10s, 250ms, 1m30s`,
	} {
		if _, err := ParseDuration(in); err == nil || err.Error() != want {
			t.Errorf("ParseDuration(%q): %v, want %s", in, err, want)
		}
	}
}

func TestRates(t *testing.T) {
	for _, tt := range []struct {
		v    float64
		want string
	}{
		{65536, "64KiB/s"}, {64000, "64kB/s"}, {1500, "1500B/s"}, {1 << 20, "1MiB/s"}, {5e6, "5MB/s"}, {3 << 30, "3GiB/s"},
		{0.5, "0.5B/s"}, {1234.5, "1234.5B/s"}, {7000, "7kB/s"},
	} {
		got := FormatRate(tt.v)
		back, err := ParseRate(got)
		if got != tt.want || err != nil || back != tt.v {
			t.Errorf("FormatRate(%v) = %q, want %q; reads back as %v, %v", tt.v, got, tt.want, back, err)
		}
	}
	if v, err := ParseRate("1.5KB/s"); err != nil || v != 1500 {
		t.Errorf("1.5KB/s reads as %v, %v", v, err)
	}
	for _, in := range []string{"", "64", "64KB", "x/s", "xKiB/s", "/s"} {
		if v, err := ParseRate(in); err == nil {
			t.Errorf("ParseRate(%q) = %v, want an error", in, v)
		}
	}
}

func TestProbabilities(t *testing.T) {
	for _, tt := range []struct {
		p    float64
		want string
	}{{0.05, "5%"}, {1, "100%"}, {0.005, "0.5%"}, {1.0 / 3, "0.3333333333333333"}} {
		if got := FormatProbability(tt.p); got != tt.want {
			t.Errorf("FormatProbability(%v) = %q, want %q", tt.p, got, tt.want)
		}
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		p := rng.Float64()
		if rng.IntN(2) == 0 {
			p = math.Round(p*1000) / 1000
		}
		if back, err := ParseProbability(FormatProbability(p)); err != nil || back != p {
			t.Fatalf("%v prints as %q, which reads as %v, %v", p, FormatProbability(p), back, err)
		}
	}
}
