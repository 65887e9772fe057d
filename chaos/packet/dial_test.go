package packet

import (
	"testing"
	"time"
)

func TestRoundTrip(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			w := newWorld(t, 3, k.direct, Options{IPv6: k.v6}, echo)
			for i := range 3 {
				c := w.dial(i)
				for range 3 {
					d, err := roundTrip(t, c, 5*time.Second)
					if err != nil {
						t.Fatal(err)
					}
					t.Log(d)
				}
				if err := c.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
